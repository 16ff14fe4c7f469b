"""Null, missing and empty: every member of every sample, one at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.samples import load, names
from unigate.errors import InvalidEvent
from unigate.events import find_source, name_of
from unigate.request import Request

Event = dict[str, Any]
Place = tuple[str | int, ...]
MISSING = object()


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Yield the place of every member of every object and list, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*above, name)
            yield from places(member, (*above, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (*above, index)
            yield from places(item, (*above, index))


def changed(event: Event, place: Place, value: Any) -> Event:
    """Return a copy of an event with one member replaced, or gone."""
    event = copy.deepcopy(event)
    target: Any = event
    for step in place[:-1]:
        target = target[step]
    if value is MISSING:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return event


def outcome(event: Event) -> tuple[str, Request | None]:
    """Return the source and the request of an event; only InvalidEvent can refuse it."""
    source = find_source(event)
    if source is None:
        return "", None
    try:
        request = source.to_request(event, None)
    except InvalidEvent:
        return "InvalidEvent", None
    assert request.identity is None or request.identity.kind
    return name_of(source), request


def member(event: Event, place: Place) -> Any:
    value: Any = event
    for step in place:
        value = value[step]
    return value


def variants(event: Event, place: Place) -> list[Event]:
    """Return an event with a member missing, null and empty."""
    values = [MISSING, None]
    empty: Any = {str: "", list: [], dict: {}}.get(type(member(event, place)), MISSING)
    values += [] if empty is MISSING else [empty]
    return [changed(event, place, value) for value in values]


@pytest.mark.parametrize("name", names())
def test_no_member_is_indispensable_to_being_read_or_refused(name: str) -> None:
    event = load(name)
    for place in places(event):
        for variant in variants(event, place):
            outcome(variant)


@pytest.mark.parametrize("name", names("vercel"))
def test_no_member_inside_an_invocation_is_indispensable(name: str) -> None:
    event = load(name)
    inner = json.loads(event["body"])
    for place in places(inner):
        for variant in variants(inner, place):
            outcome(event | {"body": json.dumps(variant)})


# Names and values in these are the client's: an empty member is present, a missing one is not.
MAPS = {"headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"}
MAPS |= {"__ow_headers", "queryParameters", "queryString", "query", "body"}
# The marks decide which source reads the event.
MARKS = {"httpMethod", "path", "resource", "rawPath", "requestContext", "elb", "http", "version"}
MARKS |= {"Action", "body", "targetGroupArn", "rawUrl", "queryParameters", "queryString", "apiId"}
MARKS |= {"stageVariable", "pathParams", "stage", "requestId", "identity", "multiValueHeaders"}
MARKS |= {"requestPath", "method"}
HTTP_SAMPLES = [name for name in names() if not name.startswith("not_http/")]


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_null_missing_and_empty_mean_the_same(name: str) -> None:
    event = load(name)
    for place in places(event):
        if not MAPS & set(place[:-1]) and type(place[-1]) is str:
            first, *others = [outcome(variant) for variant in variants(event, place)]
            for other in others:
                assert other == first or (place[-1] in MARKS and other[0] != first[0]), place


LISTS = {"multiValueHeaders": "headers", "multiValueQueryStringParameters": "queryStringParameters"}


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_an_empty_map_of_lists_hides_no_values(name: str) -> None:
    event = load(name)
    for lists, single in LISTS.items():
        if lists in event:
            event[single] = {name: many[-1] for name, many in (event[lists] or {}).items()}
            if name.startswith("yandex/") and lists == "multiValueHeaders":
                continue  # a mark of these
            expected = outcome(changed(event, (lists,), MISSING))
            assert expected[0]
            assert outcome(changed(event, (lists,), {})) == expected
