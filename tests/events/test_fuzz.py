"""Damaged events, by the hundred thousand: rejected, answered with a 4xx, or answered correctly.

A run takes `UNIGATE_FUZZ_EVENTS` events (100,000 by default) from the seeds of
`UNIGATE_FUZZ_SEED`; `make fuzz` takes many more, from new seeds each time.
"""

from __future__ import annotations

import json
import marshal
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import unigate
from tests.samples import load, names
from unigate.errors import FailedInvocation, UnknownEvent
from unigate.events import EventSource, find_source, kind_of, name_of

BATCHES = 20
EVENTS = int(os.environ.get("UNIGATE_FUZZ_EVENTS", "100000")) // BATCHES
SEED = os.environ.get("UNIGATE_FUZZ_SEED", "unigate")

SAMPLES = {name: load(name) for name in names()}


def nested(depth: int) -> Any:
    value: Any = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


JUNK: list[Any] = [
    *(None, True, False, 0, -1, 7, 10**30, 1.5, float("nan"), float("inf")),
    *(
        "",
        "x",
        "0",
        "\0",
        "\r\nx: y",
        "\ud800",
        "é",
        "💥",
        "%",
        "%2",
        "%FF",
        "//",
        "a b?c#d",
        "=&=",
    ),
    *("GET", "http", "2.0", "1.0", "aGVsbG8=", "not base64!", "[::1", "1.2.3.4, x", "a:b:c:80"),
    *([], {}, [None], [[]], [{}], {"": ""}, {"x": None}, {"x": {}}, ["x", None, 7], [["x"]]),
    *({"x": ["a", "b"]}, {"Records": []}, [{"key": None, "value": None}], [{"value": "x"}]),
]
# Slow, so rare.
LARGE: list[Callable[[], Any]] = [
    lambda: "x" * 100_000,
    lambda: nested(400),
    lambda: {f"x-{number}": "y" for number in range(10_000)},
    lambda: ["x"] * 10_000,
]


def copied(value: Any) -> Any:
    """Return a deep copy of a value of any depth."""
    return marshal.loads(marshal.dumps(value))


def containers(value: Any) -> Iterator[Any]:
    """Yield every non-empty object and list, at any depth."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, (dict, list)) and value:
            yield value
            left += value.values() if isinstance(value, dict) else value


def damaged(rng: random.Random, event: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with some members replaced, gone, renamed, or taken from another event."""
    event = copied(event)
    if isinstance(event.get("body"), str) and event["body"][:1] == "{" and rng.random() < 0.3:
        event["body"] = json.dumps(damaged(rng, json.loads(event["body"])))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        places = list(containers(event))
        if not places:
            return event
        place = rng.choice(places)
        key: Any = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        action = rng.random()
        if action < 0.6:
            place[key] = copied(rng.choice(JUNK))
        elif action < 0.7:
            del place[key]
        elif action < 0.75 and isinstance(place, dict):
            place[rng.choice(("", "x", key.upper(), "é", "a b", "a\r\nb"))] = place.pop(key)
        elif action < 0.755:
            place[key] = rng.choice(LARGE)()
        elif action < 0.9:
            other = SAMPLES[rng.choice(list(SAMPLES))]
            event |= copied(other) if action < 0.8 else rng_member(rng, other)
        else:
            place[key] = copied(rng.choice(list(containers(event))))
    return event


def rng_member(rng: random.Random, event: dict[str, Any]) -> dict[str, Any]:
    """Return one top-level member of an event."""
    key = rng.choice([*event, None])
    return {} if key is None or key not in event else {key: copied(event[key])}


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the body, after checking everything that an application can read."""
    request = unigate.current_request()
    assert environ["unigate.request"] is request
    assert environ["PATH_INFO"][:1] == "/"
    for key, value in environ.items():
        if "." not in key:  # the others are no variables of CGI
            assert type(value) is str, key
            value.encode("latin-1")
    body = environ["wsgi.input"].read()
    assert environ.get("CONTENT_LENGTH", "0") == str(len(body))
    check(request)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    request = scope["unigate.request"]
    assert scope["path"][:1] == "/"
    assert scope["raw_path"][:1] == b"/"
    assert all(type(part) is bytes for pair in scope["headers"] for part in pair)
    assert type(scope["query_string"]) is bytes
    check(request)
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def check(request: unigate.Request) -> None:
    assert isinstance(request.method, str)
    assert request.raw_path.isascii()
    request.path.encode()
    host, port = request.server
    assert isinstance(host, str)
    assert 0 <= port < 65536
    if request.client is not None:
        assert isinstance(request.client[0], str)
        assert 0 <= request.client[1] < 65536
    assert request.identity is None or isinstance(request.identity.user, str | None)
    assert request.request_id is None or request.request_id.isprintable()


GATEWAYS = [
    unigate.wrap(wsgi_app, interface="wsgi", on_error="raise"),
    unigate.wrap(asgi_app, interface="asgi", lifespan="off", on_error="raise"),
]


def outcome(gateway: unigate.Gateway, event: dict[str, Any]) -> tuple[EventSource | None, int]:
    """Return the source of an event and the status of the reply, 0 if it was rejected."""
    source = find_source(event)
    try:
        reply = gateway.lambda_handler(event, None)
    except UnknownEvent:
        return source, 0
    except FailedInvocation as failure:
        reply = failure.report
    if source is None:
        assert kind_of(event) == "warmup"
        return None, 0
    text = json.dumps(reply, allow_nan=False, ensure_ascii=False).encode("utf-8")
    return source, source.from_reply(json.loads(text)).status


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_event_is_refused_or_answered(batch: int) -> None:
    rng = random.Random(f"{SEED} {batch}")
    samples = list(SAMPLES.values())
    for number in range(EVENTS):
        event = damaged(rng, rng.choice(samples))
        try:
            _, status = outcome(GATEWAYS[number % 2], event)
        except Exception as error:
            error.add_note(f"batch {batch}, event {number}: {event!r:.3000}")
            raise
        assert status in (0, 200, 400, 413), event


# The sources that can match when an event has lost the member that set it apart.
REMAINS = {
    "alb": {"rest_api", "generic"},
    "rest_api": {"generic", "huawei"},
    "vercel": set(),
    "yandex": {"rest_api", "generic"},
    "huawei": {"rest_api", "generic"},
    "scaleway": {"rest_api", "generic"},
    "tencent": {"rest_api", "generic"},
    "netlify": {"generic"},
    "alibaba": {"generic", "http_api"},
}


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.startswith("not_http/")])
def test_no_event_is_taken_for_another_platforms(name: str) -> None:
    own = name.partition("/")[0]
    allowed = {own} | REMAINS.get(own, set())
    for seed in range(300):
        rng = random.Random(f"{SEED} {name} {seed}")
        event = copied(SAMPLES[name])
        place = rng.choice(list(containers(event)))
        key: Any = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        place[key] = copied(rng.choice(JUNK))
        source = find_source(event)
        assert source is None or name_of(source) in allowed, event
