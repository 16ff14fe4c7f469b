"""Write the table of event sources in platforms/index.md: python -m docs.platform_table

Each source makes the event of one request, reads it again, and writes and reads the reply. The
table says what is left of the request and the response, so it cannot differ from the modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import unigate
from unigate import Headers, Request, Response
from unigate.emulator import find_host
from unigate.types import Environ, StartResponse

PAGE = Path(__file__).with_name("platforms") / "index.md"
MARK = "<!-- written by docs/platform_table.py -->\n"
CLIENT = "203.0.113.7"
PATH, QUERY, BODY = b"/a%2Fb%20c", b"a=%41&a=b+c", b"\xff\x00"
COLUMNS = ("path", "query", "repeated fields", "cookies", "binary", "client", "largest reply")

EVIDENCE = {
    "alb": "live events",
    "alibaba": "documents",
    "azure": "azure-functions-runtime",
    "cloudfront": "documents",
    "generic": "",
    "google": "functions-framework",
    "http_api": "live events, awslambdaric in AWS's emulator",
    "huawei": "documents, its runtime's source",
    "lambda_integration": "the Serverless Framework's and serverless-wsgi's source",
    "lattice": "documents",
    "netlify": "a live event, its source",
    "openwhisk": "its source",
    "rest_api": "live events, AWS's emulator",
    "scaleway": "scaleway-functions-python",
    "tencent": "documents, Tencent's adapters",
    "vercel": "`vercel dev` and its runtime, their source",
    "yandex": "live events",
}
# What one event cannot show.
NOTES = {
    ("cloudfront", "largest reply"): "40 KiB for viewer requests, 1 MiB for origin requests",
    ("lambda_integration", "binary"): "replies below status 300",
    ("tencent", "binary"): "replies; requests through API Gateway",
    ("openwhisk", "path"): "approximate; raw with `web: raw`",
    ("azure", "path"): "approximate",
    ("openwhisk", "query"): "approximate; raw with `web: raw`",
    ("openwhisk", "client"): "the last X-Forwarded-For",
    ("alb", "client"): "the last X-Forwarded-For",
    ("lattice", "client"): "the last X-Forwarded-For",
    ("vercel", "client"): "X-Real-IP",
    ("scaleway", "client"): "X-Envoy-External-Address",
    ("google", "client"): "the server's peer",
    ("azure", "client"): "the last X-Forwarded-For",
    ("google", "repeated fields"): "separate, streamed",
    ("google", "largest reply"): "10 MB streamed, 32 MB in one piece",
}


def table() -> str:
    """Return the table, a row for each source."""
    lines = [f"| source | {' | '.join(COLUMNS)} | evidence |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for name in sorted(EVIDENCE):
        cells = facts(name)
        shown = [NOTES.get((name, column), cells[column]) for column in COLUMNS]
        lines.append(f"| `{name}` | {' | '.join(shown)} | {EVIDENCE[name]} |")
    return "\n".join(lines) + "\n"


def facts(name: str) -> dict[str, str]:
    """Return what a source carries, by column."""
    seen: list[Request] = []
    bodies: list[bytes] = []

    def site(environ: Environ, start_response: StartResponse) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read())
        seen.append(environ["unigate.request"])
        cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        fields = [("Content-Type", "image/png"), ("Vary", "a"), ("Vary", "b"), *cookies]
        start_response("200 OK", fields)
        return [BODY]

    fields = Headers([("host", "example.org"), ("content-type", "image/png")])
    request = Request(
        "POST", PATH, query_string=QUERY, headers=fields, body=BODY, client=(CLIENT, 0),
        scheme="https", server=("example.org", 443),
    )  # fmt: skip
    delivery = find_host(name)(unigate.wrap(site), request, False)
    response = delivery.response
    [got] = seen
    module = import_module(f"unigate.events.{name}")
    return {
        "path": "raw" if got.raw_path == PATH else "decoded",
        "query": "raw" if got.query_string == QUERY else "decoded",
        "binary": binary(bodies == [BODY], response.body == BODY),
        "client": client(module, delivery.event) if isinstance(delivery.event, dict) else "",
        "repeated fields": kept(response, "vary", ["a", "b"]),
        "cookies": kept(response, "set-cookie", ["a=1", "b=2"]),
        # Google's replies are not events.
        "largest reply": size(getattr(module, "MAX_REPLY", sys.maxsize)),
    }


def kept(response: Response, name: str, values: list[str]) -> str:
    """Return how the fields of one name arrive."""
    found = [value for field, value in response.headers if field.lower() == name]
    return "separate" if found == values else "joined"


def binary(request: bool, reply: bool) -> str:
    """Return the directions in which any bytes arrive."""
    return {(True, True): "yes", (False, True): "replies", (True, False): "requests"}.get(
        (request, reply), "no"
    )


def client(source: Any, event: Any) -> str:
    """Return the member of an event that says which address the client has."""
    for place, changed in with_another_client(event):
        if source.to_request(changed, None).client[0] != CLIENT:
            return f"`{place}`"
    return "unknown"


def with_another_client(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name of each member that is the client's address, and the event with another."""
    if value == CLIENT:
        yield "", "198.51.100.9"
    elif isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for place, changed in with_another_client(value[key]):
                copy = value.copy()
                copy[key] = changed
                yield f"{key}.{place}".strip(".") if isinstance(value, dict) else place, copy


def size(limit: int) -> str:
    """Return a limit in the unit in which the platform states it."""
    if limit == sys.maxsize:
        return "none"
    if limit % 1024 == 0:
        return f"{limit // 1024**2} MiB"
    return f"{limit / 1_000_000:g} MB"


def with_table(page: str) -> str:
    """Return a page with the table as it is now."""
    before, _, after = page.split(MARK)
    return f"{before}{MARK}\n{table()}\n{MARK}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
