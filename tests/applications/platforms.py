"""What platforms force: each difference from a site's own server, with its reason.

There is no other difference, and what a row says is exactly what must arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from tests.servers.client import Answer, Fields

from .comparison import Exchange
from .environments import SITES
from .hosts import HOSTS


class Arrives(NamedTuple):
    """A target that reaches applications as another one; the answer to that is the right one."""

    host: str
    why: str
    target: str
    instead: str


DECODED = "API Gateway passes decoded values, which are encoded again."
DECODED_PATH = "An HTTP API passes the decoded path."
PAIRS = "Queries arrive as a map, in which a name without = has an empty value."

ARRIVES = [
    Arrives("rest_api", DECODED, "/echo/x?b&a=%20+%26%3D", "/echo/x?b=&a=++%26%3D"),
    Arrives("rest_api", DECODED, "/echo/x?q=%FF", "/echo/x?q=%EF%BF%BD"),
    Arrives("rest_api", DECODED, "/echo/x?a=1;b=2", "/echo/x?a=1%3Bb%3D2"),
    Arrives("rest_api", DECODED, "/echo/x?a[]=%2F/?", "/echo/x?a%5B%5D=%2F%2F%3F"),
    Arrives("rest_api", DECODED, "/shop/items?_search=%FF", "/shop/items?_search=%EF%BF%BD"),
    Arrives("alb", PAIRS, "/echo/x?b&a=%20+%26%3D", "/echo/x?b=&a=%20+%26%3D"),
    Arrives("http_api", DECODED_PATH, "/echo/a%2Fb", "/echo/a/b"),
    Arrives("http_api", DECODED_PATH, "/echo/%FF", "/echo/%EF%BF%BD"),
    Arrives("http_api", DECODED_PATH, "/shop/a%2Fb%20c", "/shop/a/b%20c"),
]


def instead(target: str, fields: Fields) -> Mapping[str, tuple[str, Fields]]:
    """Return what reaches applications in place of a request, by the name of the platform.

    Azure's host reads header values as UTF-8.
    """
    found = {row.host: (row.instead, fields) for row in ARRIVES if row.target == target}
    if not all(value.isascii() for _, value in fields):
        found["azure"] = target, [(name, _read_as_utf_8(value)) for name, value in fields]
    return found


def _read_as_utf_8(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace").encode().decode("latin-1")


class Forced(NamedTuple):
    """What a platform makes of answers.

    Attributes:
        applies: Whether an exchange with the site's own server is concerned.
        arrives: The answer that must arrive in place of the site's own.
    """

    hosts: tuple[str, ...]
    why: str
    applies: Callable[[str, Exchange], bool]
    arrives: Callable[[Answer], Answer]


def without(name: str) -> Callable[[Answer], Answer]:
    return lambda answer: answer._replace(
        headers=[field for field in answer.headers if field[0] != name]
    )


def plain_error(status: int, content_type: str, body: str) -> Callable[[Answer], Answer]:
    fields = [("content-type", content_type), ("content-length", str(len(body)))]
    return lambda answer: Answer(status, fields, body.encode())


def not_found_of_flask(description: str) -> Callable[[Answer], Answer]:
    page = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    return plain_error(404, "text/html; charset=utf-8", f"{page}<p>{description}</p>\n")


def percent_encoded(answer: Answer) -> Answer:
    fields = [
        (name, quote(value.encode("latin-1"), safe=PRINTABLE)) for name, value in answer.headers
    ]
    return answer._replace(headers=fields)


PRINTABLE = "".join(map(chr, range(32, 127)))
CONFLICT = b"Conflict in the request."
TOO_LARGE = "The response is too large: 0 bytes, and alb takes 1048576."
NOT_FOUND = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)

FORCED = [
    Forced(
        tuple(HOSTS),
        "Sanic leaves the length of its bodies to ASGI servers.",
        lambda site, exchange: site == "sanic",
        without("content-length"),
    ),
    Forced(
        ("azure", "http_api", "rest_api", "alb"),
        "Platforms send no length that is not a number: BlackSheep gives files two for HEAD.",
        lambda site, exchange: len(exchange.answer.values("content-length")) > 1,
        without("content-length"),
    ),
    Forced(
        ("google",),
        "functions-framework is a Flask application with a folder for static files of its own.",
        lambda site, exchange: exchange.target.startswith("/static/"),
        not_found_of_flask(NOT_FOUND),
    ),
    Forced(
        ("google",),
        "functions-framework answers what browsers ask for on their own.",
        lambda site, exchange: exchange.target in ("/robots.txt", "/favicon.ico"),
        not_found_of_flask("Not Found"),
    ),
    Forced(
        ("azure",),
        "The host's server refuses header values beyond ASCII.",
        lambda site, exchange: not all(value.isascii() for _, value in exchange.answer.headers),
        percent_encoded,
    ),
    Forced(
        tuple(HOSTS.keys() - {"uvicorn"}),
        "HTTP forbids it (RFC 9110 section 8.6), and only uvicorn sends what the site has set.",
        lambda site, exchange: exchange.answer.status == 204,
        without("content-length"),
    ),
    Forced(
        tuple(HOSTS.keys() - {"uvicorn", "gunicorn"}),
        "No length is sent of a body that is not there; waitress does the same.",
        lambda site, exchange: exchange.answer.status == 304,
        without("content-length"),
    ),
    Forced(
        ("uvicorn",),
        "No length is sent of a body that is not there, around WSGI applications.",
        lambda site, exchange: (
            exchange.answer.status in (204, 304) and SITES[site].interface == "wsgi"
        ),
        without("content-length"),
    ),
    Forced(
        ("waitress",),
        "waitress counts a body of one part: Radicale's empty list has one, as hypercorn needs it.",
        lambda site, exchange: (
            site == "radicale"
            and not exchange.answer.body
            and exchange.answer.status != 204
            and not exchange.answer.values("content-length")
        ),
        lambda answer: answer._replace(headers=[*answer.headers, ("content-length", "0")]),
    ),
    Forced(
        ("azure",),
        "App Service names no port: Radicale takes that of Host, which the destination has too.",
        lambda site, exchange: exchange.method == "MOVE" and exchange.answer.status == 502,
        lambda answer: Answer(
            409,
            [
                (name, str(len(CONFLICT)) if name == "content-length" else value)
                for name, value in answer.headers
            ],
            CONFLICT,
        ),
    ),
    Forced(
        ("alb",),
        "A load balancer takes a megabyte from a function.",
        lambda site, exchange: len(exchange.answer.body) > 1024 * 1024,
        plain_error(500, "text/plain; charset=utf-8", TOO_LARGE),
    ),
]


def expected(site: str, host: str, exchanges: Sequence[Exchange]) -> list[tuple[Exchange, Answer]]:
    """Return the answers that must arrive from a platform, for those of the site's own server."""
    return [(exchange, _expected(site, host, exchange)) for exchange in exchanges]


def _expected(site: str, host: str, exchange: Exchange) -> Answer:
    answer = exchange.instead.get(host, exchange.answer)
    for row in FORCED:
        if host in row.hosts and row.applies(site, exchange):
            answer = row.arrives(answer)
    return answer
