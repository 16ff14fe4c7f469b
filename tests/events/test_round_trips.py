"""There and back through every source, as JSON, for whatever a request or an answer may hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.samples import load
from unigate.events import find_source, name_of, source_named
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Response
from unigate.request import Request

FEW = settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

ADDRESSES = ["203.0.113.7", "2001:db8::7"]
NAMES = ["accept", "link", "vary", "x-a"]
TYPES = ["application/json", "image/png", "text/html; charset=iso-8859-1", "text/plain"]
# What has a meaning somewhere between here and JSON, and some of every width in UTF-8.
TEXT = st.text("aZ0-._~!$&'()*+,;=:@/%?#[] \"\\\t\n\0\xe9\u20ac\U0001f40d", max_size=4)
VALUES = st.text('aZ0 ,;="\\/\t\x80\xa0\xe9\xff', max_size=6)
COOKIES = st.lists(st.sampled_from(["a=1", "b=2; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT"]))
BODIES = st.one_of(st.just(b""), TEXT.map(str.encode), st.binary(max_size=6))


@st.composite
def fields(draw: st.DrawFn) -> list[tuple[str, str]]:
    pairs = draw(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5))
    kind = draw(st.sampled_from([None, *TYPES]))
    return [*pairs, ("content-type", kind)] if kind else pairs


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Ask for anything that an HTTP/1.1 server could hand on."""
    root = draw(st.sampled_from(["", "/prod"]))
    segments = st.lists(st.one_of(TEXT, st.binary(max_size=2)), max_size=3)
    path = "/".join(quote(segment, safe="!*(),") for segment in draw(segments))
    word = TEXT.map(lambda text: quote(text, safe=" ").replace(" ", "+"))
    pairs = draw(st.lists(st.tuples(word.filter(bool), st.sampled_from(["", "="]), word)))
    query = "&".join(name + equals + (value if equals else "") for name, equals, value in pairs)
    name, port = draw(st.sampled_from([("example.org", 443), ("example.org", 8080), ("::1", 3000)]))
    host = ("host", f"[{name}]:{port}" if ":" in name else f"{name}:{port}")
    forged = st.sampled_from([[], [("x-forwarded-for", "198.51.100.1, 198.51.100.2")]])
    cookies = draw(st.lists(st.sampled_from(["a=1", "b=2; c=3"]), max_size=2))
    address = draw(st.sampled_from([None, *ADDRESSES]))
    return Request(
        draw(st.sampled_from(["GET", "POST", "PATCH"])),
        f"{root}/{path}".encode(),
        query_string=query.encode(),
        headers=Headers(
            [host, *draw(forged), *(("cookie", cookie) for cookie in cookies), *draw(fields())]
        ),
        body=draw(BODIES),
        scheme=draw(st.sampled_from(["http", "https"])),
        server=(name, port),
        client=(address, 0) if address else None,
        root_path=root,
    )


@st.composite
def responses(draw: st.DrawFn) -> Response:
    cookies = [("set-cookie", cookie) for cookie in draw(COOKIES)[:5]]
    pairs = draw(st.permutations([*cookies, *draw(fields())]))
    return Response(draw(st.sampled_from([200, 204, 299, 404, 500])), Headers(pairs), draw(BODIES))


def altered(request: Request, **members: Any) -> Request:
    """Return a copy with some members changed; Content-Length is set if there is a body."""
    names = ["method", "raw_path", "query_string", "headers", "body", "scheme", "server", "client"]
    names += ["root_path"]
    changed = Request(**{name: getattr(request, name) for name in names} | members)
    if changed.body:
        changed.headers.set("content-length", str(len(changed.body)))
    return changed


def grouped(headers: Headers) -> Headers:
    """Bring repeats together, as every map does, and cookies into one field."""
    together = Headers((name, one) for name, many in headers.grouped().items() for one in many)
    if "cookie" in together:
        together.set("cookie", together["cookie"])
    return together


def last_forwarded(request: Request) -> tuple[str, int] | None:
    entry = (request.headers.get("x-forwarded-for") or "").rpartition(", ")[2]
    return (entry, 0) if entry else None


def of_function_url(request: Request) -> Request:
    # Repeats are joined.
    return altered(request, headers=Headers(proxied_headers(request).joined().items()))


def of_http_api(request: Request) -> Request:
    # The path is decoded: "%2F" and "/" look the same, and so do all bytes that are not UTF-8.
    path = quote(unquote(request.raw_path.decode()), safe="/:@!$&'()*+,;=-._~")
    headers = Headers(proxied_headers(request).joined().items())
    if "cookie" in headers:  # not among the fields: they come last
        cookie = headers["cookie"]
        headers.remove("cookie")
        headers.set("cookie", cookie)
    return altered(request, raw_path=path.encode(), headers=headers)


def of_rest_api(request: Request) -> Request:
    # The query is decoded: its escapes are ours, and the order across keys is lost.
    query = urlencode(parse_qs(request.query_string.decode(), keep_blank_values=True), doseq=True)
    return altered(request, query_string=query.encode(), headers=grouped(proxied_headers(request)))


def of_alb(request: Request) -> Request:
    # The query is a map of what stood around "=". Only X-Forwarded-For has the client.
    groups: dict[str, list[str]] = {}
    for pair in request.query_string.decode().split("&") if request.query_string else ():
        groups.setdefault(pair.partition("=")[0], []).append(pair.partition("=")[2])
    query = "&".join(f"{name}={value}" for name, values in groups.items() for value in values)
    return altered(
        request,
        query_string=query.encode(),
        headers=grouped(proxied_headers(request)),
        client=request.client or last_forwarded(request),
        root_path="",
    )


def of_generic(request: Request) -> Request:
    # Only Host is known of the connection.
    headers = Headers(request.headers.joined().items())
    return altered(request, headers=headers, scheme="https", client=None, root_path="")


def of_vercel(request: Request) -> Request:
    # The platform overwrites X-Forwarded-For and X-Real-IP.
    headers = proxied_headers(request)
    if request.client:
        headers.set("x-real-ip", request.client[0])
        headers.set("x-forwarded-for", request.client[0])
    client = request.client or last_forwarded(request)
    return altered(request, headers=grouped(headers), client=client, root_path="")


CARRIED: dict[str, Callable[[Request], Request]] = {
    "alb": of_alb,
    "function_url": of_function_url,
    "generic": of_generic,
    "http_api": of_http_api,
    "rest_api": of_rest_api,
    "vercel": of_vercel,
}


@pytest.mark.parametrize("kind", CARRIED)
@FEW
@given(request=requests())
def test_a_request_survives_as_an_event(kind: str, request: Request) -> None:
    request.source = kind
    source = source_named("http_api" if kind == "function_url" else kind)
    event = json.loads(json.dumps(source.make_event(request)))
    assert find_source(event) is source
    arrived = source.to_request(event, None)
    assert arrived == CARRIED[kind](request)
    assert arrived.source == kind


LISTS = ["alb/multi_value", "generic/map_query", "rest_api/multi_value", "vercel/invoke"]
SINGLE = ["alb/single_value", "http_api/function_url", "http_api/get"]


@pytest.mark.parametrize("name", LISTS)
@FEW
@given(response=responses())
def test_an_answer_survives_in_lists_of_values(name: str, response: Response) -> None:
    headers = grouped(response.headers)
    assert carried(name, response) == Response(response.status, headers, response.body)


@pytest.mark.parametrize("name", SINGLE)
@FEW
@given(response=responses())
def test_an_answer_survives_in_single_values(name: str, response: Response) -> None:
    # Repeated fields are joined, cookies never.
    others = Headers(pair for pair in response.headers if pair[0] != "set-cookie")
    cookies = [("set-cookie", cookie) for cookie in response.headers.getlist("set-cookie")]
    headers = Headers([*others.joined().items(), *cookies])
    assert carried(name, response) == Response(response.status, headers, response.body)


@pytest.mark.parametrize("kind", CARRIED)
def test_bytes_beyond_ascii_are_carried_as_escapes(kind: str) -> None:
    source = source_named("http_api" if kind == "function_url" else kind)
    request = Request("GET", b"/caf\xc3\xa9", query_string=b"q=\xc3\xa9&r=%20", source=kind)
    arrived = source.to_request(json.loads(json.dumps(source.make_event(request))), None)
    assert arrived.raw_path == b"/caf%C3%A9"
    assert arrived.query_string in (b"q=%C3%A9&r=%20", b"q=%C3%A9&r=+")


def carried(name: str, response: Response) -> Response:
    """Answer a sample, and read the answer as its platform does."""
    event = load(name)
    source = find_source(event)
    assert name_of(source) == name.partition("/")[0]
    return source.from_reply(json.loads(json.dumps(source.to_reply(response, event))))
