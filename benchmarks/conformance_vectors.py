"""The vectors of `conformance.py`: what is asked of a tool, and what a specification answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from conformance_apps import ANSWERS, SEEN
from conformance_tools import Tool

from unigate import Response
from unigate.emulator import EVENT_SOURCES, make_request, through_json

PEP = "PEP 3333"
V1 = "AWS, proxy integration of REST APIs"
V2 = "AWS, payload format 2.0"
ALB = "AWS, Lambda functions as targets of an ALB"
ONCE = "RFC 3986, 2.4"
FORM = "WHATWG URL, 5.1"
COOKIE = "RFC 6265, 5.4"
SERVER = "RFC 3875, 4.1.14 and 4.1.15"
CLIENT = "RFC 3875, 4.1.8"
TYPE = "RFC 9110, 8.3"

Change = Callable[[Any], object]


@dataclass(frozen=True)
class Vector:
    """A question with one right answer.

    Attributes:
        name: What is asked, for the table.
        rule: The specification that has the answer.
        check: Ask a tool; return its answer and the right one.
        source: The source of the event, if only one counts.
    """

    name: str
    rule: str
    check: Callable[[Tool], tuple[Any, Any]]
    source: str = ""


def event_of(
    source: str, url: str, method: str = "GET", fields: Any = (), body: bytes = b""
) -> Any:
    """Return the event that a platform makes of a request."""
    request = make_request(method, f"https://localhost{url}", fields, body)
    event = through_json(EVENT_SOURCES[source].make_event(request))
    if source == "http_api" and request.query_string:
        query: dict[str, str] = {}
        for name, value in parse_qsl(request.query_string.decode(), keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        event["queryStringParameters"] = query  # for tools that do not read rawQueryString
    return event


def single(event: Any) -> None:
    """Turn an event of an ALB into one of a target group without multi-value headers."""
    for name in ("Headers", "QueryStringParameters"):
        values = event.pop(f"multiValue{name}")
        event[name[0].lower() + name[1:]] = {key: value[-1] for key, value in values.items()}


def fields_of(event: Any) -> Iterator[tuple[dict[str, Any], Callable[[str], Any]]]:
    """Yield the maps of header fields in an event, and how they hold a value."""
    if "headers" in event:
        yield event["headers"], str
    if "multiValueHeaders" in event:
        yield event["multiValueHeaders"], lambda text: [text]


def setting(name: str, value: str) -> Change:
    """Return a change that sets a header field of an event."""

    def change(event: Any) -> None:
        for fields, written in fields_of(event):
            fields[name] = written(value)

    return change


def nothing(event: Any) -> None:
    """Leave an event as it is."""


def asked(
    key: Callable[[dict[str, Any]], Any],
    right: Any,
    source: str = "",
    url: str = "/x",
    change: Change = nothing,
    **request: Any,
) -> Callable[[Tool], tuple[Any, Any]]:
    """Return a check of what the application sees of a request."""

    def check(tool: Tool) -> tuple[Any, Any]:
        event = event_of(source or tool.source, url, **request)
        change(event)
        tool.handler(event)
        return key(SEEN[-1]), right

    return check


def answered(
    answer: str, key: Callable[[Response, Any], Any], right: Any, source: str = ""
) -> Callable[[Tool], tuple[Any, Any]]:
    """Return a check of what a client gets of a response."""

    def check(tool: Tool) -> tuple[Any, Any]:
        used = source or tool.source
        reply = through_json(tool.handler(event_of(used, f"/{answer}")))
        return key(EVENT_SOURCES[used].from_reply(reply), reply), right

    return check


def field(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda seen: seen["fields"].get(name)


def pairs(seen: dict[str, Any]) -> list[tuple[str, str]]:
    query = seen["query"]
    text = query.decode("ascii") if isinstance(query, bytes) else query
    return sorted(parse_qsl(text, keep_blank_values=True))


def path(seen: dict[str, Any]) -> Any:
    return seen["path"]


def body(seen: dict[str, Any]) -> Any:
    return seen["body"]


def client(seen: dict[str, Any]) -> Any:
    return seen["client"]


def server(seen: dict[str, Any]) -> tuple[str, str]:
    name, port = seen["server"]
    return name, str(port)


def named(event: Any) -> None:
    """Leave only the field of a health check."""
    event["multiValueHeaders"] = {"user-agent": ["ELB-HealthChecker/2.0"]}


def null_fields(event: Any) -> None:
    """Set what the console's test of a REST API does not have to null."""
    names = ("headers", "multiValueHeaders", "queryStringParameters", "pathParameters")
    event.update(dict.fromkeys((*names, "multiValueQueryStringParameters")))


def staged(event: Any) -> None:
    """Move an event of an HTTP API to the stage `prod`, which its paths begin with."""
    host = "a1b2c3.execute-api.eu-west-1.amazonaws.com"
    event["headers"]["host"] = event["requestContext"]["domainName"] = host
    event["requestContext"]["stage"] = "prod"
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/prod/users"


def requests() -> Iterator[Vector]:
    """Yield the vectors of requests, for applications of both interfaces."""
    for source, title in (("http_api", "HTTP API"), ("rest_api", "REST API"), ("alb", "ALB")):
        check = asked(path, "/café", source, "/caf%C3%A9")
        yield Vector(f"path `/caf%C3%A9`, {title}", ONCE, check, source)
        check = asked(path, "/100%25", source, "/100%2525")
        yield Vector(f"path `/100%2525`, {title}", ONCE, check, source)
        check = asked(path, "/x/", source, "/x/")
        yield Vector(f"path `/x/`, {title}", "RFC 3986, 6.2.2", check, source)
        url = "/x?a=1&a=2&q=a%2Bb+c&e=%C3%A9&s=%26&k="
        right = [("a", "1"), ("a", "2"), ("e", "é"), ("k", ""), ("q", "a+b c"), ("s", "&")]
        check = asked(pairs, right, source, url)
        yield Vector(
            f"query with `a=1&a=2`, `%2B`, `+`, `%C3%A9`, `%26`, {title}", FORM, check, source
        )
        name, fields = f"`Cookie: a=1; b=2`, {title}", [("cookie", "a=1; b=2")]
        yield Vector(
            name, COOKIE, asked(field("cookie"), "a=1; b=2", source, fields=fields), source
        )
        check = asked(field("cookie"), None, source)
        yield Vector(f"no Cookie, {title}", COOKIE, check, source)
        forged = [("x-forwarded-for", "6.6.6.6")]
        check = asked(client, "127.0.0.1", source, fields=forged)
        yield Vector(f"client behind a forged X-Forwarded-For, {title}", CLIENT, check, source)
        check = asked(body, b"\xff\x00", source, method="POST", body=b"\xff\x00")
        yield Vector(f"binary body, {title}", "RFC 4648, 4", check, source)
        check = asked(lambda seen: seen["length"], "5", source, method="POST", body="café".encode())
        yield Vector(f"Content-Length of a text, {title}", "RFC 9110, 8.6", check, source)
        check = asked(field("x-user"), "ada", source, change=_forged)
        yield Vector(
            f"`X_User` does not replace `X-User`, {title}", "RFC 3875, 4.1.18", check, source
        )
    yield from special_requests()


def _forged(event: Any) -> None:
    setting("x-user", "ada")(event)
    setting("x_user", "mallory")(event)


def special_requests() -> Iterator[Vector]:
    """Yield the vectors of requests that one platform sends."""
    yield Vector("ALB without multi-value headers", ALB, asked(path, "/x", "alb", change=single))
    url, right = "/x?q=a%2Bb%26c", [("q", "a+b&c")]
    check = asked(pairs, right, "alb", url, change=single)
    yield Vector("query `%2B`, `%26`, ALB without multi-value headers", ALB, check)
    both = setting("cookie", "a=1")
    check = asked(field("cookie"), "a=1", "http_api", change=both, fields=[("cookie", "a=1")])
    yield Vector(
        "`cookies` and `headers.cookie`, function URL behind CloudFront", COOKIE, check, "http_api"
    )

    def unauthorized(event: Any) -> None:
        event["requestContext"]["authorizer"] = None

    check = asked(path, "/x", "http_api", change=unauthorized)
    yield Vector("`authorizer` is null, HTTP API", V2, check, "http_api")
    check = asked(path, "/x", "rest_api", change=null_fields)
    yield Vector("headers and queries are null, REST API (console test)", V1, check)
    check = asked(path, "/prod/users", "http_api", change=staged)
    yield Vector(
        "whole path at a stage, HTTP API",
        "PEP 3333, URL reconstruction; ASGI, `root_path`",
        check,
        "http_api",
    )
    for host, right in (("lb:8080", ("lb", "8080")), ("[::1]:3000", ("::1", "3000"))):

        def hosted(event: Any, host: str = host) -> None:
            setting("host", host)(event)
            setting("x-forwarded-port", host.rpartition(":")[2])(event)

        check = asked(lambda seen: (server(seen)[0].strip("[]"), server(seen)[1]), right, "alb",
                      change=hosted)  # fmt: skip
        yield Vector(f"server of `Host: {host}`, ALB", SERVER, check, "alb")
    check = asked(lambda seen: all(server(seen)), True, "alb", change=named)
    yield Vector("server has a name and a port, health check of an ALB", PEP, check, "alb")
    for source, title in (("lattice", "2.0"), ("lattice_v1", "1.0")):
        check = asked(path, "/x", source)
        yield Vector(f"event of VPC Lattice, version {title}", "AWS, VPC Lattice", check)


def body_of(response: Response, reply: Any) -> bytes:
    return response.body


def cookies(response: Response, reply: Any) -> list[str]:
    """Return the cookies that a client has then; some tools write them twice."""
    lines = response.headers.getlist("set-cookie")
    return sorted({line.partition(";")[0] for line in lines})


def vary(response: Response, reply: Any) -> list[str]:
    lines = response.headers.getlist("vary")
    return sorted({name.strip() for line in lines for name in line.split(",")})


def responses() -> Iterator[Vector]:
    """Yield the vectors of responses, for applications of both interfaces."""
    for source, title in (("http_api", "HTTP API"), ("rest_api", "REST API"), ("alb", "ALB")):
        check = answered("cookies", cookies, ["a=1", "b=2"], source)
        yield Vector(f"two Set-Cookie, {title}", "RFC 6265, 3", check, source)
        check = answered("vary", vary, ["Accept", "Cookie"], source)
        yield Vector(f"two Vary, {title}", "RFC 9110, 5.3", check, source)
        for name in ("png", "latin", "gzip"):
            check = answered(name, body_of, b"".join(ANSWERS[name][2]), source)
            label = {"png": "image", "latin": "ISO 8859-1", "gzip": "gzip"}[name]
            yield Vector(f"body: {label}, {title}", "RFC 9110, 6.4", check, source)
        check = answered("field", lambda got, _: got.headers.get("x-name"), "caf\xe9", source)
        yield Vector(f"header value of Latin-1, {title}", "RFC 9110, 5.5", check, source)
        check = answered("odd", lambda got, _: got.status, 299, source)
        yield Vector(f"status 299, {title}", "RFC 9110, 15", check, source)
    for name in ("none", "untyped"):
        check = answered(name, lambda got, _: got.headers.get("content-type"), None, "http_api")
        label = {"none": "status 204", "untyped": "a body without a type"}[name]
        yield Vector(f"no Content-Type is invented for {label}, HTTP API", TYPE, check, "http_api")
    check = answered("problem", lambda _, reply: reply.get("isBase64Encoded"), False, "rest_api")
    yield Vector("`application/problem+json` is text, REST API", f"{V1}; RFC 6839, 3.1", check)
    check = answered("parts", body_of, b"one,two,three")
    yield Vector("body in parts", "PEP 3333; ASGI, `more_body`", check)
