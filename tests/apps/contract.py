"""The responses that every application of the matrix gives, in whatever framework it is written.

The frameworks only carry `answer` in and out, so two cells of the matrix differ only where a door
or a bridge makes the difference.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import Any

EXPIRES = "Wed, 21 Oct 2026 07:28:00 GMT"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass
class Answer:
    """A response in parts that every framework can send."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    cookies: list[tuple[str, str]] = field(default_factory=list)


def cookie(name: str, value: str) -> str:
    """Return the Set-Cookie value of a cookie, for applications without a framework."""
    return f"{name}={value}; Expires={EXPIRES}; Path=/"


def answer(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
    """Return the response for a path; the default echoes the request as JSON.

    `headers` has the joined value of each field under its lower-case name.
    """
    fixed = _FIXED.get(path)
    if path == "/error":
        raise RuntimeError("The view failed.")
    if fixed is not None:
        return fixed
    echo: dict[str, Any] = {
        "method": method,
        "path": path,
        "query": query,
        "body": base64.b64encode(body).decode(),
        "headers": {
            name: headers.get(name)
            for name in ("host", "content-type", "content-length", "cookie")
            + ("x-multi", "x-latin", "x-under-score")
        },
    }
    return Answer(200, [("content-type", "application/json")], [json.dumps(echo).encode()])


_FIXED = {
    "/cookies": Answer(
        201,
        [("content-type", "text/plain"), ("vary", "accept"), ("vary", "x-other")],
        [b"two cookies"],
        [("a", "1"), ("b", "2")],
    ),
    "/binary": Answer(200, [("content-type", "application/octet-stream")], [bytes(range(256))]),
    "/latin1": Answer(
        200,
        [
            ("content-type", "text/html; charset=iso-8859-1"),
            ("content-disposition", 'inline; filename="\xe9.txt"'),
        ],
        [b"<p>\xe9</p>"],
    ),
    "/gzip": Answer(
        200,
        [("content-type", "application/json"), ("content-encoding", "gzip")],
        [gzip.compress(b"{}", mtime=0)],
    ),
    "/gzip-label": Answer(
        200, [("content-type", "text/plain"), ("content-encoding", "gzip")], [b"plain ASCII"]
    ),
    "/problem": Answer(
        404, [("content-type", "application/problem+json")], [b'{"title":"caf\xc3\xa9"}']
    ),
    "/no-type": Answer(200, [], [b"no type"]),
    "/empty": Answer(204),
    "/not-modified": Answer(304, [("etag", '"1"')]),
    "/redirect": Answer(302, [("location", "/elsewhere?x=1")]),
    "/odd-status": Answer(299, [("content-type", "text/plain")], [b"odd"]),
    "/chunks": Answer(200, [("content-type", "text/plain")], [b"one,", b"", b"two,", b"three"]),
    "/nothing": Answer(200, [("content-type", "text/plain")], []),
}
