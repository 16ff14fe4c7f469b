from __future__ import annotations

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unigate
from tests.samples import load
from unigate.errors import InvalidEvent
from unigate.events import netlify
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request

Event = dict[str, Any]


def read(event: Event, context: Any = None) -> Request:
    return netlify.to_request(event, context)


def test_an_event_is_read_whole() -> None:
    request = read(load("netlify/get"))
    assert request.source == "netlify"
    assert request == Request(
        "GET",
        b"/notes/caf%C3%A9",
        query_string=b"tag=a%2Bb&tag=c+d&flag",
        headers=Headers(
            [
                ("accept", "text/html"),
                ("accept", "application/json"),
                ("client-ip", "198.51.100.60"),
                ("cookie", "sid=9; lang=pt"),
                ("forwarded", 'for="[2001:db8::60]";proto=https'),
                ("host", "site.example.org"),
                ("x-forwarded-for", "2001:db8::60, 198.51.100.60"),
                ("x-forwarded-proto", "https"),
                ("x-nf-client-connection-ip", "2001:db8::60"),
            ]
        ),
        server=("site.example.org", 443),
        client=("2001:db8::60", 0),
    )


def test_an_event_of_the_local_server_is_read() -> None:
    request = read(load("netlify/dev_post"))
    assert (request.scheme, request.server) == ("http", ("localhost", 8888))
    assert request.raw_path == b"/.netlify/functions/notes"
    assert request.query_string == b"a=1&a=2"
    assert request.body == b"\x89PNG\r\n\x1a\n"
    assert request.client == ("127.0.0.1", 0)


def test_a_scheduled_call_is_a_request() -> None:
    request = read(load("netlify/scheduled"))
    assert (request.method, request.path) == ("POST", "/.netlify/functions/nightly")
    assert request.headers["x-nf-event"] == "schedule"
    assert json.loads(request.body) == {"next_run": "2027-01-01T00:00:00.000Z"}
    assert request.client is None


@pytest.mark.parametrize(
    ("url", "path", "query", "server"),
    [
        ("https://h", b"/", b"", ("h", 443)),
        ("https://h?a=1", b"/", b"a=1", ("h", 443)),
        ("https://h/?", b"/", b"", ("h", 443)),
        ("https://h//x/", b"//x/", b"", ("h", 443)),
        ("https://h/a%2Fb?u=https://x/?y", b"/a%2Fb", b"u=https://x/?y", ("h", 443)),
        ("http://[::1]:3000/x", b"/x", b"", ("::1", 3000)),
    ],
)
def test_the_url_gives_path_query_and_server(
    url: str, path: bytes, query: bytes, server: tuple[str, int]
) -> None:
    request = read({"rawUrl": url, "httpMethod": "GET"})
    assert (request.raw_path, request.query_string, request.server) == (path, query, server)


@pytest.mark.parametrize("url", ["", "/notes?x=1", "https:///notes"])
def test_without_a_whole_url_the_other_members_count(url: str) -> None:
    event = load("netlify/dev_post") | {"rawUrl": url}
    request = read(event)
    assert request.raw_path == b"/.netlify/functions/notes"
    assert request.query_string == b"a=1&a=2"
    assert read(event | {"rawQuery": None}).query_string == b"a=1&a=2"
    del event["rawQuery"], event["multiValueQueryStringParameters"]
    assert read(event).query_string == b"a=1%2C+2"
    assert read({"rawUrl": url, "httpMethod": "GET"}).raw_path == b"/"


@pytest.mark.parametrize("multi", [None, ...])
def test_single_values_count_where_there_are_no_lists(multi: Any) -> None:
    event = load("netlify/get") | {"multiValueHeaders": multi}
    event = {name: value for name, value in event.items() if value is not ...}
    assert read(event).headers.getlist("accept") == ["text/html, application/json"]


@pytest.mark.parametrize("value", [[], [""], ["unknown"], ["6.6.6.6", "203.0.113.1"]])
def test_no_other_field_is_the_client(value: list[str]) -> None:
    event = load("netlify/get")
    event["multiValueHeaders"]["X-Nf-Client-Connection-Ip"] = value
    event["multiValueHeaders"]["X-Real-Ip"] = ["6.6.6.6"]
    assert read(event).client is None


def test_a_body_that_is_not_the_base64_it_claims_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        read(load("netlify/dev_post") | {"body": "no base64"})


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"rawUrl": "https://h/"},
        {"rawUrl": None, "httpMethod": "GET"},
        {"rawUrl": "https://h/", "httpMethod": None},
        {"rawPath": "/", "httpMethod": "GET", "path": "/"},
    ],
)
def test_other_events_are_not_taken(event: Event) -> None:
    assert netlify.matches(event) is False


# --- the identity --------------------------------------------------------------------------------

USER = {"sub": "0123-4567", "email": "jane@example.org", "app_metadata": {"roles": ["editor"]}}
PACKED = b64encode(json.dumps({"identity": {"token": "t"}, "user": USER}).encode()).decode()


@pytest.mark.parametrize(
    "context",
    [
        {"clientContext": {"user": USER}},
        {"clientContext": {"custom": {"netlify": PACKED}}},
        SimpleNamespace(clientContext={"user": USER}),
        SimpleNamespace(client_context=SimpleNamespace(custom={"netlify": PACKED})),
        {"clientContext": {"user": None, "custom": {"netlify": PACKED}}},
    ],
)
def test_the_identity_is_the_user_of_the_context(context: Any) -> None:
    identity = read(load("netlify/get"), context).identity
    assert identity == Identity("jwt", "0123-4567", USER)


class Broken:
    @property
    def clientContext(self) -> Any:
        raise RuntimeError("not now")


def packed(value: str) -> Event:
    return {"clientContext": {"custom": {"netlify": b64encode(value.encode()).decode()}}}


@pytest.mark.parametrize(
    "context",
    [
        None,
        7,
        "context",
        Broken(),
        {"clientContext": None},
        {"clientContext": {}},
        {"clientContext": {"user": {}, "custom": None}},
        {"clientContext": {"user": "jane"}},
        {"clientContext": {"custom": {"netlify": 5}}},
        {"clientContext": {"custom": {"netlify": "no base64"}}},
        {"clientContext": {"custom": {"netlify": "\xe9"}}},
        packed("no json"),
        packed("[" * 100_000),
        packed("[]"),
        packed('{"user": "jane"}'),
        packed('{"identity": {}}'),
    ],
)
def test_what_names_nobody_is_no_identity(context: Any) -> None:
    assert read(load("netlify/get"), context).identity is None


@pytest.mark.parametrize("sub", [None, "", [], {"a": 1}])
def test_a_user_without_a_subject_has_claims_only(sub: Any) -> None:
    user = {"sub": sub, "email": "jane@example.org"}
    identity = read(load("netlify/get"), {"clientContext": {"user": user}}).identity
    assert identity == Identity("jwt", None, user)


# --- answers, there and back ---------------------------------------------------------------------


def test_an_answer_has_lists() -> None:
    fields = [("set-cookie", "a=1"), ("x-a", "1"), ("set-cookie", "b=2")]
    assert netlify.to_reply(Response(404, Headers(fields), b"\x89"), {}) == {
        "statusCode": 404,
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "x-a": ["1"]},
        "body": "iQ==",
        "isBase64Encoded": True,
    }


def test_an_event_is_made_as_netlify_does() -> None:
    request = Request(
        "PUT",
        b"/a%2Fb",
        query_string=b"q=a%2Bb&q=c+d&flag",
        headers=Headers([("x-a", "1"), ("x-a", "2"), ("x-nf-client-connection-ip", "6.6.6.6")]),
        body=b"hi",
        scheme="http",
        server=("::1", 8080),
        client=("203.0.113.9", 0),
    )
    assert netlify.make_event(request) == {
        "rawUrl": "http://[::1]:8080/a%2Fb?q=a%2Bb&q=c+d&flag",
        "rawQuery": "q=a%2Bb&q=c+d&flag",
        "path": "/a%2Fb",
        "httpMethod": "PUT",
        "headers": {
            "x-a": "1, 2",
            "x-nf-client-connection-ip": "203.0.113.9",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8080",
            "x-forwarded-for": "203.0.113.9",
        },
        "multiValueHeaders": {
            "x-a": ["1", "2"],
            "x-nf-client-connection-ip": ["203.0.113.9"],
            "x-forwarded-proto": ["http"],
            "x-forwarded-port": ["8080"],
            "x-forwarded-for": ["203.0.113.9"],
        },
        "queryStringParameters": {"q": "a+b, c d", "flag": ""},
        "multiValueQueryStringParameters": {"q": ["a+b", "c d"], "flag": [""]},
        "body": "hi",
        "isBase64Encoded": False,
    }


FEW = settings(deadline=None, max_examples=100, derandomize=True)
FIELDS = st.lists(
    st.tuples(st.sampled_from(["accept", "vary", "x-a"]), st.text("aZ0 ,;=\xe9", max_size=6)),
    max_size=4,
).map(sorted)
TYPES = st.sampled_from([[], *([("content-type", one)] for one in ("text/plain", "image/png"))])
BODIES = st.one_of(st.sampled_from([b"", b"true", b"caf\xc3\xa9"]), st.binary(max_size=8))


@FEW
@given(
    method=st.sampled_from(["GET", "POST", "PATCH"]),
    path=st.sampled_from([b"/", b"/a%2Fb", b"//x", b"/caf%C3%A9", b"/%FF", b"/x/"]),
    query=st.sampled_from([b"", b"a=1&a=2", b"q=a%2Bb", b"q=a+b", b"flag", b"k=", b"u=//x/?y"]),
    fields=FIELDS,
    kind=TYPES,
    body=BODIES,
    scheme=st.sampled_from(["http", "https"]),
    server=st.sampled_from([("example.org", 443), ("example.org", 8080), ("::1", 3000)]),
    client=st.sampled_from([None, ("203.0.113.7", 0), ("2001:db8::7", 0)]),
)
def test_a_request_comes_back(
    method: str,
    path: bytes,
    query: bytes,
    fields: list[tuple[str, str]],
    kind: list[tuple[str, str]],
    body: bytes,
    scheme: str,
    server: tuple[str, int],
    client: tuple[str, int] | None,
) -> None:
    sent = Request(
        method,
        path,
        query_string=query,
        headers=Headers([*kind, *fields]),
        body=body,
        scheme=scheme,
        server=server,
        client=client,
    )
    event = json.loads(json.dumps(netlify.make_event(sent)))
    assert netlify.matches(event)
    expected = proxied_headers(sent)
    if client:
        expected.set("x-nf-client-connection-ip", client[0])
    if body:
        expected.set("content-length", str(len(body)))
    sent.headers = expected
    assert read(event) == sent


@FEW
@given(
    status=st.sampled_from([200, 204, 299, 404, 500]),
    fields=FIELDS,
    kind=TYPES,
    cookies=st.lists(st.sampled_from(["a=1", "b=2; Path=/"]), max_size=3),
    body=BODIES,
)
def test_an_answer_comes_back(
    status: int,
    fields: list[tuple[str, str]],
    kind: list[tuple[str, str]],
    cookies: list[str],
    body: bytes,
) -> None:
    pairs = [*kind, *fields, *(("set-cookie", cookie) for cookie in cookies)]
    sent = Response(status, Headers(pairs), body)
    reply = json.loads(json.dumps(netlify.to_reply(sent, load("netlify/get"))))
    assert netlify.from_reply(reply) == sent


def test_a_gateway_answers() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1")]

    gateway = unigate.wrap(app, sources=[netlify])
    assert gateway(load("netlify/get"), None)["body"] == "/notes/caf\xe9"
