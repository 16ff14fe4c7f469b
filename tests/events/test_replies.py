"""The limit on a reply's size: a reply of exactly that size is sent, one byte more is a 500."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.samples import load, names
from unigate.errors import FailedInvocation
from unigate.events import EventSource, generic, vercel
from unigate.events.detection import all_sources
from unigate.events.replies import write_reply
from unigate.http import Headers, Response
from unigate.request import Request

Event = dict[str, Any]


class Limited:
    """The generic source, or another, with a limit of the test's choice."""

    __name__ = "tests.limited"

    def __init__(self, limit: int, source: EventSource = generic) -> None:
        self.MAX_REPLY = limit
        self.to_reply = source.to_reply


class LimitedByEvent(Limited):
    """A source whose limit depends on the event."""

    def __init__(self, limit: int, source: EventSource = generic) -> None:
        super().__init__(1, source)
        self.max_reply = lambda event: limit + len(event)


def size_of(reply: Any) -> int:
    return len(json.dumps(reply, ensure_ascii=False).encode())


def status_of(source: Any, response: Response, event: Event | None = None) -> int:
    try:
        reply = write_reply(source, event or {}, Request("GET"), response)
    except FailedInvocation as failure:  # the reply of `lambda_integration` to an error
        reply = json.loads(str(failure))
    return int(reply.get("statusCode") or reply["status"])


TEXT = [("content-type", "text/plain; charset=utf-8")]
RESPONSES: dict[str, Callable[[], Response]] = {
    "text": lambda: Response(200, Headers(TEXT), b"x" * 5000),
    "escaped text": lambda: Response(200, Headers(TEXT), b"\x01" * 5000),
    "text beyond ASCII": lambda: Response(200, Headers(TEXT), "\u20ac".encode() * 5000),
    "base64": lambda: Response(200, Headers(), b"\xff" * 5000),
    "many fields": lambda: Response(200, Headers((f"x-{n}", "v") for n in range(64))),
    "repeated fields": lambda: Response(200, Headers([("x-a", "v")] * 2)),
    "a field beyond ASCII": lambda: Response(200, Headers([("x-a", "\xe9")])),
}


@pytest.mark.parametrize("make", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("limited", [Limited, LimitedByEvent])
@pytest.mark.parametrize("source", [generic, vercel], ids=["generic", "vercel"])
def test_a_reply_of_exactly_the_limit_is_sent(
    make: Callable[[], Response], limited: type[Limited], source: EventSource
) -> None:
    size = size_of(source.to_reply(make(), {}))
    assert status_of(limited(size, source), make()) == 200
    assert status_of(limited(size - 1, source), make()) == 500


@pytest.mark.parametrize("base64", [False, True])
@pytest.mark.parametrize("name", all_sources())
def test_every_source_sends_a_reply_of_exactly_its_limit(name: str, base64: bool) -> None:
    source = all_sources()[name]
    event = load(next(sample for sample in names(source.__name__.rpartition(".")[2])))
    limit = source.max_reply(event) if hasattr(source, "max_reply") else source.MAX_REPLY
    check_limit(source, event, limit, b"\xff" if base64 else b"x")


@pytest.mark.parametrize("name", names("cloudfront"))
def test_the_limit_of_cloudfront_is_that_of_the_trigger(name: str) -> None:
    event = load(name)
    trigger = event["Records"][0]["cf"]["config"].get("eventType")
    limit = 40_960 if trigger == "viewer-request" else 1_048_576
    check_limit(all_sources()["cloudfront"], event, limit, b"x")


def check_limit(source: EventSource, event: Event, limit: int, byte: bytes) -> None:
    """Fill a reply to the limit, the last bytes by a header field because base64 has steps."""

    def response(padding: int) -> Response:
        return Response(200, Headers([*TEXT, ("x-pad", "x" * padding)]), body)

    body = byte * 9000
    frame = size_of(source.to_reply(response(0), event)) - 12000
    body = byte * ((limit - frame - 20) // 4 * 3)
    padding = limit - size_of(source.to_reply(response(0), event))
    assert padding > 0
    assert status_of(source, response(padding), event) == 200
    assert status_of(source, response(padding + 1), event) == 500


def test_a_small_reply_is_not_measured() -> None:
    def response(body: int, fields: int) -> Response:
        return Response(200, Headers((f"x-{n}", "v") for n in range(fields)), b"x" * body)

    source = Limited(100)
    assert status_of(source, response(4095, 63)) == 200
    assert status_of(source, response(4096, 63)) == 500
    assert status_of(source, response(4095, 64)) == 500


def test_a_source_without_a_limit_sends_everything() -> None:
    source: Any = Limited(1)
    del source.MAX_REPLY
    assert status_of(source, Response(200, body=b"x" * 5000)) == 200


def test_a_reply_that_is_too_large_is_a_500_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    response = Response(200, Headers(TEXT), b"x" * 5000)
    size = size_of(generic.to_reply(response, {}))
    source: Any = Limited(size - 1)
    reply = write_reply(source, {}, Request("GET", b"/large"), response)
    assert reply["statusCode"] == 500
    assert re.fullmatch(
        rf"The response is too large: {size} bytes, and limited takes {size - 1}\.", reply["body"]
    )
    assert "GET '/large'" in caplog.text
    assert reply["body"] in caplog.text
