"""The same path, query, cookies and body, read by every source."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from tests.samples import load
from unigate.errors import InvalidEvent
from unigate.events import EventSource, find_source, name_of
from unigate.events.detection import all_sources
from unigate.http import split_query
from unigate.request import Request

SOURCES = tuple(dict.fromkeys(all_sources().values()))

Event = dict[str, Any]
# Change a sample into the event that its platform sends for a path and a query as on the wire.
Wire = Callable[[str, str], Event]


def http_api(path: str, query: str) -> Event:
    return load("http_api/get") | {"rawPath": unquote(path), "rawQueryString": query}


def function_url(path: str, query: str) -> Event:
    return load("http_api/function_url") | {"rawPath": path, "rawQueryString": query}


def rest_api(path: str, query: str) -> Event:
    values = parse_qs(query, keep_blank_values=True)
    event = load("rest_api/custom_domain")
    event["requestContext"]["path"] = path
    return event | {
        "path": path,
        "queryStringParameters": {name: many[-1] for name, many in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
    }


def alb_multi(path: str, query: str) -> Event:
    event = load("alb/multi_value")
    return event | {"path": path, "multiValueQueryStringParameters": split_query(query)}


def alb_single(path: str, query: str) -> Event:
    values = {name: many[-1] for name, many in split_query(query).items()}
    return load("alb/single_value") | {"path": path, "queryStringParameters": values}


def generic(path: str, query: str) -> Event:
    return load("generic/string_query") | {"path": path, "queryStringParameters": query}


def vercel(path: str, query: str) -> Event:
    inner = json.loads(load("vercel/invoke")["body"])
    inner["path"] = f"{path}?{query}" if query else path
    return {"Action": "Invoke", "body": json.dumps(inner)}


RAW_PATH = [function_url, rest_api, alb_multi, alb_single, generic, vercel]
RAW_QUERY = [http_api, function_url, generic, vercel]
ALL = [http_api, *RAW_PATH]


def read(event: Event) -> Request:
    return find_source(event).to_request(event, None)


@pytest.mark.parametrize("wire", RAW_PATH)
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/caf%C3%A9", "/caf\xe9"),
        ("/a%2Fb", "/a/b"),
        ("/100%2525", "/100%25"),
        ("/x/", "/x/"),
        ("//x", "//x"),
        ("/%FF", "/\ufffd"),
        ("/a+b;c=1/@d:e", "/a+b;c=1/@d:e"),
        ("/%3Fa%23b", "/?a#b"),
    ],
)
def test_a_path_that_arrives_as_sent_is_decoded_once(wire: Wire, sent: str, path: str) -> None:
    request = read(wire(sent, ""))
    assert request.raw_path == sent.encode()
    assert request.path == path


@pytest.mark.parametrize(
    ("decoded", "raw"),
    [
        ("/caf\xe9", b"/caf%C3%A9"),
        ("/a/b", b"/a/b"),
        ("/100%25", b"/100%2525"),
        ("/x/", b"/x/"),
        ("//x", b"//x"),
        ("/a b", b"/a%20b"),
        ("/a?b#c", b"/a%3Fb%23c"),
        ("/a+b;c=1/@d:e", b"/a+b;c=1/@d:e"),
    ],
)
def test_an_http_apis_path_is_never_decoded_again(decoded: str, raw: bytes) -> None:
    request = read(load("http_api/get") | {"rawPath": decoded})
    assert request.path == decoded
    assert request.raw_path == raw


@pytest.mark.parametrize("wire", ALL)
def test_no_path_is_the_root(wire: Wire) -> None:
    request = read(wire("", ""))
    assert (request.path, request.raw_path) == ("/", b"/")


@pytest.mark.parametrize("wire", RAW_QUERY)
@pytest.mark.parametrize(
    "query",
    ["a=1&a=2", "q=a%2Bb", "q=a+b", "r=1,2&r=3", "e=%C3%A9", "flag", "k=", "b=1&a=2&b=3", "", "?"],
)
def test_a_query_that_arrives_as_sent_is_passed_on(wire: Wire, query: str) -> None:
    if wire is generic:
        query = query.removeprefix("?")  # hand-written events may begin with it
    assert read(wire("/", query)).query_string == query.encode()


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        ("a=1&a=2", b"a=1&a=2"),
        ("q=a%2Bb", b"q=a%2Bb"),
        ("q=a+b", b"q=a+b"),
        ("q=a%20b", b"q=a+b"),
        ("q=a%26b%3Dc", b"q=a%26b%3Dc"),
        ("r=1,2&r=3", b"r=1%2C2&r=3"),
        ("e=%C3%A9", b"e=%C3%A9"),
        ("flag", b"flag="),
        ("k=", b"k="),
        ("b=1&a=2&b=3", b"b=1&b=3&a=2"),
        ("", b""),
    ],
)
def test_a_rest_apis_decoded_query_is_encoded(query: str, encoded: bytes) -> None:
    assert read(rest_api("/", query)).query_string == encoded


@pytest.mark.parametrize("wire", [alb_multi, alb_single])
@pytest.mark.parametrize(
    ("query", "joined"),
    [
        ("q=a%2Bb", b"q=a%2Bb"),
        ("q=a+b", b"q=a+b"),
        ("q=a%26b%3Dc&%C3%A9=1,2", b"q=a%26b%3Dc&%C3%A9=1,2"),
        ("flag", b"flag="),
        ("k=", b"k="),
        ("", b""),
    ],
)
def test_a_load_balancers_query_is_joined_verbatim(wire: Wire, query: str, joined: bytes) -> None:
    assert read(wire("/", query)).query_string == joined


def test_a_load_balancers_repeated_keys_survive_in_lists() -> None:
    assert read(alb_multi("/", "b=1,2&a=4&b=3")).query_string == b"b=1,2&b=3&a=4"


@pytest.mark.parametrize("values", [{}, {"a": "1"}])
def test_an_empty_map_of_lists_hides_nothing(values: Event) -> None:
    for event in (rest_api("/", ""), alb_multi("/", "")):
        event |= {"multiValueQueryStringParameters": {}, "queryStringParameters": values}
        event |= {"multiValueHeaders": {}, "headers": values, "body": ""}
        request = read(event)
        query = "&".join(f"{name}={value}" for name, value in values.items())
        assert request.query_string.decode() == query
        assert request.headers.pairs == list(values.items())


@pytest.mark.parametrize("name", ["rest_api/custom_domain", "alb/both_maps"])
def test_a_null_map_of_lists_hides_nothing(name: str) -> None:
    values = {"q": "1", "r": None}
    event = load(name) | {"multiValueQueryStringParameters": None, "queryStringParameters": values}
    event |= {"multiValueHeaders": None, "headers": {"Host": "null.example.org"}}
    request = read(event)
    assert request.query_string == b"q=1&r="
    assert request.server[0] == "null.example.org"


COOKIES = [
    (load("http_api/get"), "theme=dark; lang=pt"),
    (load("http_api/function_url"), "sid=41; seen=yes"),
    (load("alb/single_value"), "sid=9"),
    (load("alb/multi_value"), "sid=9; lang=pt"),
    (rest_api("/", "") | {"multiValueHeaders": {"Cookie": ["a=1", "b=2"]}}, "a=1; b=2"),
    (generic("/", "") | {"headers": {"cookie": "a=1; b=2"}}, "a=1; b=2"),
    (generic("/", "") | {"multiValueHeaders": {"cookie": ["a=1", "b=2"]}}, "a=1; b=2"),
]


@pytest.mark.parametrize(("event", "cookie"), COOKIES)
def test_cookies_become_one_field(event: Event, cookie: str) -> None:
    assert read(event).headers.getlist("cookie") == [cookie]


@pytest.mark.parametrize("wire", ALL)
def test_no_cookies_are_no_field(wire: Wire) -> None:
    event = wire("/", "") | {"cookies": [], "headers": {}, "multiValueHeaders": {}}
    assert "cookie" not in read(event).headers


def with_body(wire: Wire, body: str | None, is_base64: bool) -> Event:
    event = wire("/", "")
    if wire is vercel:
        inner = json.loads(event["body"])
        inner |= {"body": body, "encoding": "base64" if is_base64 else None}
        return event | {"body": json.dumps(inner)}
    return event | {"body": body, "isBase64Encoded": is_base64}


@pytest.mark.parametrize("wire", ALL)
def test_a_body_is_text_or_base64_as_the_flag_says(wire: Wire) -> None:
    encoded = b64encode(b"\0\xff").decode()
    assert read(with_body(wire, encoded, True)).body == b"\0\xff"
    assert read(with_body(wire, encoded, False)).body == encoded.encode()
    assert read(with_body(wire, "ol\xe1", False)).body == b"ol\xc3\xa1"
    assert read(with_body(wire, None, True)).body == b""
    assert read(with_body(wire, "", True)).body == b""


@pytest.mark.parametrize("wire", ALL)
def test_the_content_length_is_counted_not_believed(wire: Wire) -> None:
    headers = {"Content-Length": "8", "Transfer-Encoding": "chunked"}
    event = with_body(wire, b64encode(b"\0\xff").decode(), True)
    if wire is vercel:
        inner = json.loads(event["body"]) | {"headers": headers}
        event |= {"body": json.dumps(inner)}
    else:
        event.pop("multiValueHeaders", None)
        event |= {"headers": headers}
    request = read(event)
    assert request.headers.getlist("content-length") == ["2"]
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("wire", ALL)
@pytest.mark.parametrize("body", ["Hello from Lambda!", "Y", "ol\xe1"])
def test_a_body_that_lies_about_base64_is_refused(wire: Wire, body: str) -> None:
    with pytest.raises(InvalidEvent, match="not the base64 it claims"):
        read(with_body(wire, body, True))


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("[::1]:3000", ("::1", 3000)),
        ("lb:8080", ("lb", 8080)),
        ("example.org", ("example.org", 443)),
    ],
)
@pytest.mark.parametrize("wire", ALL)
def test_the_host_field_names_the_server(wire: Wire, host: str, server: tuple[str, int]) -> None:
    headers = {"Host": host, "X-Forwarded-Proto": "https"}
    event = wire("/", "")
    if wire is vercel:
        event |= {"body": json.dumps(json.loads(event["body"]) | {"headers": headers})}
    else:
        event.pop("multiValueHeaders", None)
        event |= {"headers": headers}
    request = read(event)
    assert request.server == server
    assert request.scheme == "https"


@pytest.mark.parametrize("wire", ALL)
def test_the_event_and_the_context_are_kept(wire: Wire) -> None:
    event, context = wire("/", ""), object()
    request = find_source(event).to_request(event, context)
    assert request.event is event
    assert request.context is context


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
@pytest.mark.parametrize("name", ["not_http/empty", "not_http/warm_up"])
def test_a_source_that_was_named_reads_an_empty_event_or_refuses_it(
    source: EventSource, name: str
) -> None:
    with suppress(InvalidEvent, KeyError, ValueError):  # the gateway responds to each
        assert source.to_request(load(name), None).path == "/"
