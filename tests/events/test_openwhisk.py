from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unigate
from tests.samples import load
from unigate.errors import InvalidEvent
from unigate.events import openwhisk
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request

Event = dict[str, Any]


def read(event: Event) -> Request:
    return openwhisk.to_request(event, None)


def base64(data: bytes) -> str:
    return b64encode(data).decode()


# --- raw events ----------------------------------------------------------------------------------


def test_a_raw_event_is_read_whole() -> None:
    request = read(load("openwhisk/raw_json"))
    assert request.source == "openwhisk"
    assert request == Request(
        "POST",
        b"/notes",
        query_string=b"tag=a%2Bb&tag=c+d&flag",
        headers=Headers(
            [
                ("content-type", "application/json"),
                ("cookie", "sid=9; lang=pt"),
                ("host", "whisk.example.org:8443"),
                ("x-forwarded-for", "2001:db8::50"),
                ("x-forwarded-port", "8443"),
                ("x-forwarded-proto", "https"),
                ("content-length", "22"),
            ]
        ),
        body=b'{"title": "caf\\u00e9"}',
        server=("whisk.example.org", 8443),
        client=("2001:db8::50", 0),
    )


def test_a_raw_event_of_digitalocean_is_read_whole() -> None:
    request = read(load("openwhisk/digitalocean_raw"))
    assert request.source == "digitalocean"
    assert (request.method, request.raw_path) == ("POST", b"/upload/a%2Fb")
    assert request.query_string == b"name=caf%C3%A9&name=x"
    assert request.body == b"\x89PNG\r\n\x1a\n"
    assert request.client == ("203.0.113.51", 0)


def test_a_flag_says_whether_the_body_is_base64() -> None:
    event = load("openwhisk/digitalocean_of_old")
    assert read(event).body == b'{"title": "n"}'
    event |= {"__ow_body": "dHJ1ZQ=="}
    assert read(event).body == b"dHJ1ZQ=="
    assert read(event | {"__ow_isBase64Encoded": True}).body == b"true"
    with pytest.raises(InvalidEvent):
        read(event | {"__ow_isBase64Encoded": True, "__ow_body": "no base64"})


def test_a_flag_of_the_clients_own_says_nothing() -> None:
    event = load("openwhisk/text") | {"__ow_isBase64Encoded": "true"}
    assert read(event).body == b"Jane"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"true"),
        ("application/json; charset=utf-8", b"true"),
        ("application/vnd.example+json", b"true"),
        ("application/octet-stream", b"true"),
        ("application/yaml", b"true"),
        ("image/svg+xml", b"true"),
        ("image/svg+xml; charset=utf-8", b"true"),
        ("multipart/form-data; boundary=b", b"true"),
        ("text/vtt", b"true"),
        ("", b"true"),
        ("text/plain", b"dHJ1ZQ=="),
        ("TEXT/PLAIN; format=flowed", b"dHJ1ZQ=="),
        ("text/vtt; charset=utf-8", b"dHJ1ZQ=="),
        ('application/yaml; charset="utf-8"', b"dHJ1ZQ=="),
        ("application/problem+json", b"dHJ1ZQ=="),
        ("application/x-www-form-urlencoded", b"dHJ1ZQ=="),
        ("application/xml", b"dHJ1ZQ=="),
    ],
)
def test_without_a_flag_the_type_says_what_is_base64(content_type: str, body: bytes) -> None:
    event = load("openwhisk/raw_json") | {"__ow_body": "dHJ1ZQ=="}
    event["__ow_headers"]["content-type"] = content_type
    assert read(event).body == body


@pytest.mark.parametrize("body", ['{"a": 1}', "dHJ1ZQ", "dHJ1ZQ==\n", "caf\xe9"])
def test_what_was_only_assumed_to_be_base64_is_text(body: str) -> None:
    event = load("openwhisk/raw_json") | {"__ow_body": body}
    assert read(event).body == body.encode()


def test_raw_mode_has_no_parameters() -> None:
    event = load("openwhisk/raw_json") | {"__ow_query": "", "bound": "secret"}
    assert (read(event).query_string, read(event).body[:1]) == (b"", b"{")
    event = load("openwhisk/digitalocean_raw") | {"bound": "secret"}
    assert read(event).query_string == b"name=caf%C3%A9&name=x"


# --- merged parameters ---------------------------------------------------------------------------


def of_openwhisk(method: str, content_type: str, /, **parameters: Any) -> Event:
    event = load("openwhisk/get") | {"__ow_method": method} | parameters
    event["__ow_headers"]["content-type"] = content_type
    return event


def of_digitalocean(method: str, content_type: str, /, **parameters: Any) -> Event:
    event = load("openwhisk/digitalocean_parsed") | parameters
    event["http"]["method"] = method.upper()
    event["http"]["headers"]["content-type"] = content_type
    return event


BOTH = pytest.mark.parametrize("merged", [of_openwhisk, of_digitalocean])
JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"


@BOTH
@pytest.mark.parametrize("method", ["get", "head", "delete", "options"])
@pytest.mark.parametrize("content_type", ["", JSON, FORM])
def test_parameters_of_what_has_no_body_are_the_query(
    merged: Any, method: str, content_type: str
) -> None:
    request = read(merged(method, content_type, q="a b&c", deep={"x": [1]}, none=None))
    assert request.method == method.upper()
    assert request.query_string == b"q=a+b%26c&deep=%7B%22x%22%3A+%5B1%5D%7D&none=null"
    assert request.body == b""


@BOTH
@pytest.mark.parametrize("kind", [JSON, "application/vnd.example+json"])
def test_parameters_are_json_again(merged: Any, kind: str) -> None:
    values = {"title": "caf\xe9 \ud800", "deep": {"x": [1, None, True]}, "none": None}
    request = read(merged("post", kind, **values))
    assert json.loads(request.body) == values
    assert request.query_string == b""
    assert request.headers["content-length"] == str(len(request.body))


@BOTH
def test_parameters_are_a_form_again(merged: Any) -> None:
    request = read(merged("patch", FORM, title="caf\xe9", q="a+b&c"))
    assert request.body == b"title=caf%C3%A9&q=a%2Bb%26c"
    assert request.query_string == b""


@BOTH
@pytest.mark.parametrize("content_type", ["", "text/plain"])
def test_parameters_without_a_body_of_their_kind_are_the_query(
    merged: Any, content_type: str
) -> None:
    request = read(merged("post", content_type, a="1"))
    assert (request.query_string, request.body) == (b"a=1", b"")


@BOTH
def test_parameters_beside_a_body_are_the_query(merged: Any) -> None:
    request = read(merged("post", "text/plain", a="1", __ow_body="Jane"))
    assert (request.query_string, request.body) == (b"a=1", b"Jane")


def test_nothing_is_made_of_no_parameters() -> None:
    request = read(of_openwhisk("post", JSON))
    assert (request.query_string, request.body) == (b"", b"")


@pytest.mark.parametrize("value", [[1, "\xe9"], {"a": None}, 5, 0, False, []])
def test_a_body_that_was_parsed_is_json_again(value: Any) -> None:
    assert json.loads(read(of_openwhisk("post", JSON, __ow_body=value)).body) == value
    raw = load("openwhisk/digitalocean_raw")
    raw["http"]["body"] = value
    assert json.loads(read(raw).body) == value


def test_json_too_deep_to_write_again_is_refused() -> None:
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(InvalidEvent, match="too deeply"):
        read(of_openwhisk("post", JSON, a=deep))
    while deep:  # taken apart by hand: so deep, it would overflow when it is freed
        deep = deep.pop()


FORGED = {
    "httpMethod": "DELETE",
    "path": "/admin",
    "method": "DELETE",
    "headers": {"x-forwarded-for": "6.6.6.6"},
    "rawUrl": "https://x/admin",
    "requestContext": {"elb": {}},
    "Records": [{"cf": {}}],
    "body": "forged",
    "isBase64Encoded": True,
    "queryString": "forged",
    "version": "2.0",
}


@BOTH
def test_parameters_decide_nothing_but_query_and_body(merged: Any) -> None:
    plain, forged = (merged("post", JSON, **values) for values in ({"a": 1}, FORGED))
    assert openwhisk.matches(forged)
    for name in ("source", "method", "path", "client", "server", "scheme", "query_string"):
        assert getattr(read(forged), name) == getattr(read(plain), name)
    assert read(forged).headers.get("x-forwarded-for") == read(plain).headers["x-forwarded-for"]
    assert json.loads(read(forged).body) == FORGED


@pytest.mark.parametrize(
    "forged",
    [
        {"__ow_method": "delete"},
        {"__ow_headers": {}},
        {"__ow_method": "get", "__ow_headers": {"x-forwarded-for": "6.6.6.6"}},
    ],
)
def test_a_digitalocean_event_with_other_members_of_openwhisk_is_refused(forged: Event) -> None:
    event = load("openwhisk/digitalocean_parsed") | forged | {"__ow_user": "root"}
    assert openwhisk.matches(event)
    with pytest.raises(InvalidEvent):
        read(event)


@pytest.mark.parametrize(
    "forged",
    [
        {"method": "DELETE", "headers": {}},
        {"method": "GET"},
        {"method": "GET", "headers": {"host": "evil"}, "body": "x"},
        {"method": 5, "headers": {}},
        {"method": "DELETE", "headers": load("openwhisk/get")["__ow_headers"]},
    ],
)
def test_an_openwhisk_event_with_another_http_is_refused(forged: Any) -> None:
    with pytest.raises(InvalidEvent):
        read(load("openwhisk/get") | {"http": forged})


@pytest.mark.parametrize("value", ["2", {"a": "b"}, {"method": 5}, ["GET"]])
def test_http_may_be_the_name_of_a_parameter(value: Any) -> None:
    request = read(of_openwhisk("post", JSON, http=value))
    assert json.loads(request.body) == {"http": value}


def test_members_of_both_platforms_may_agree() -> None:
    event = load("openwhisk/get")
    event |= {"http": {"method": "GET", "headers": dict(event["__ow_headers"])}, "a": "1"}
    request = read(event)
    assert (request.raw_path, request.query_string) == (b"/notes/caf%C3%A9", b"a=1")
    assert request.identity is None


# --- the identity --------------------------------------------------------------------------------


def test_the_client_is_the_peer_that_the_proxy_saw() -> None:
    event = load("openwhisk/get")
    event["__ow_headers"] |= {"cf-connecting-ip": "6.6.6.6", "do-connecting-ip": "6.6.6.6"}
    assert read(event).client == ("203.0.113.50", 0)
    del event["__ow_headers"]["x-forwarded-for"]
    assert read(event).client is None


def test_the_identity_is_the_namespace() -> None:
    identity = Identity("principal", "guest", {"__ow_user": "guest"})
    assert read(load("openwhisk/get")).identity == identity


@pytest.mark.parametrize("user", [None, "", [], ["guest"], {"a": 1}])
def test_what_names_nobody_is_no_identity(user: Any) -> None:
    assert read(load("openwhisk/get") | {"__ow_user": user}).identity is None


def test_digitalocean_verifies_nobody() -> None:
    event = load("openwhisk/digitalocean_parsed") | {"__ow_user": "root"}
    assert read(event).identity is None


def test_compressed_answers_are_not_asked_for() -> None:
    for name in ("get", "digitalocean_raw"):
        assert "accept-encoding" not in read(load(f"openwhisk/{name}")).headers


# --- detection -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"__ow_path": "/", "__ow_body": ""},
        {"__ow_method": 5, "__ow_headers": "x"},
        {"__ow_method": None, "__ow_headers": []},
        {"http": None},
        {"http": []},
        {"http": {"path": "/"}},
        {"http": {"method": None, "headers": "x"}},
        {"httpMethod": "GET", "path": "/"},
    ],
)
def test_other_events_are_not_taken(event: Event) -> None:
    assert openwhisk.matches(event) is False


@pytest.mark.parametrize("name", ["get", "digitalocean_parsed"])
def test_a_missing_member_is_an_empty_one(name: str) -> None:
    bare = {"__ow_method": "get"} if name == "get" else {"http": {"method": "GET"}}
    request = read(bare)
    assert (request.method, request.raw_path, request.query_string) == ("GET", b"/", b"")
    assert (request.headers.pairs, request.body, request.client) == ([], b"", None)


# --- answers -------------------------------------------------------------------------------------


def reply(content_type: str | None, body: bytes, *more: tuple[str, str]) -> Event:
    pairs = [("content-type", content_type)] if content_type else []
    return openwhisk.to_reply(Response(200, Headers([*pairs, *more]), body), {})


def test_an_answer_lists_repeated_fields() -> None:
    fields = [("set-cookie", "a=1"), ("x-a", "1"), ("set-cookie", "b=2"), ("content-length", "0")]
    assert openwhisk.to_reply(Response(204, Headers(fields)), {}) == {
        "statusCode": 204,
        "headers": {"set-cookie": ["a=1", "b=2"], "x-a": "1"},
        "body": "",
    }


UTF8 = "; charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "body", "told", "written"),
    [
        (None, b"hi", None, "hi"),
        ("text/plain; charset=UTF-8", b"true", "text/plain; charset=UTF-8", "true"),
        ("text/plain", b"true", "text/plain" + UTF8, "true"),
        ("text/vtt", b"x", "text/vtt" + UTF8, "x"),
        ("application/yaml", b"x", "application/yaml" + UTF8, "x"),
        ("text/html; charset=iso-8859-1; x=1", b"\xe9", "text/html; x=1" + UTF8, "\xe9"),
        ("text/plain; charset=utf-16", b"\xff\xfeh\0", "text/plain" + UTF8, "h"),
        ("application/json", b'{"a": [1,  2]}\n', "application/json", '{"a": [1,  2]}\n'),
        ("application/json", b'"abcd"', "application/json", '"abcd"'),
        ("application/x+json", b"[]", "application/x+json" + UTF8, "[]"),
        # JSON that could be base64 has to be
        ("application/json", b"true", "application/json", "dHJ1ZQ=="),
        ("application/json" + UTF8, b" 1234\n", "application/json", "IDEyMzQK"),
        ("application/problem+json", b"null", "application/problem+json", "bnVsbA=="),
        # binary to the controller
        ("image/png", b"\x89PNG", "image/png", "iVBORw=="),
        ("image/svg+xml; charset=utf-8", b"<svg/>", "image/svg+xml", "PHN2Zy8+"),
        ("application/x-y; charset=binary", b"hi", "application/x-y", "aGk="),
        # bytes that no text type can carry
        (None, b"\xff", "application/octet-stream", "/w=="),
        ("text/html; charset=utf-8", b"\xff", "application/octet-stream", "/w=="),
        ("text/html; charset=klingon", b"hi", "application/octet-stream", "aGk="),
        ("application/json", b"\xff", "application/json", "/w=="),
    ],
)
def test_a_body_leaves_as_the_controller_reads_it(
    content_type: str | None, body: bytes, told: str | None, written: str
) -> None:
    answer = reply(content_type, body)
    assert answer["headers"] == ({"content-type": told} if told else {})
    assert answer["body"] == written


def test_compressed_text_keeps_its_bytes() -> None:
    packed = gzip.compress(b"hi", mtime=0)
    coding = ("content-encoding", "gzip")
    for kind, told in [("text/html", "application/octet-stream"), ("application/json", None)]:
        answer = reply(kind, packed, coding)
        assert answer["headers"] == {"content-type": told or kind, "content-encoding": "gzip"}
        assert answer["body"] == base64(packed)
    assert reply("text/html", b"hi", ("content-encoding", "identity"))["body"] == "hi"


# --- there and back ------------------------------------------------------------------------------


def test_an_event_is_made_as_each_platform_does() -> None:
    pairs = [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2")]
    request = Request(
        "PUT",
        b"/a%2Fb",
        query_string=b"q=a%2Bb&q&r=c+d",
        headers=Headers(pairs),
        body=b"hi",
        client=("203.0.113.9", 0),
    )
    headers = {
        "content-type": "text/plain",
        "x-a": "1, 2",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "x-forwarded-for": "203.0.113.9",
    }
    assert openwhisk.make_event(request) == {
        "__ow_method": "put",
        "__ow_path": "/a%2Fb",
        "__ow_query": "q=a%2Bb&q&r=c+d",
        "__ow_headers": headers,
        "__ow_body": "hi",
    }
    request.source = "digitalocean"
    assert openwhisk.make_event(request) == {
        "http": {
            "method": "PUT",
            "path": "/a%2Fb",
            "queryString": "q=a%2Bb&q&r=c+d",
            "headers": headers,
            "body": "hi",
            "isBase64Encoded": False,
        }
    }


FEW = settings(deadline=None, max_examples=100, derandomize=True)
TYPES = [None, "application/json", "application/yaml", "image/png", "text/plain", FORM]
FIELDS = st.lists(
    st.tuples(st.sampled_from(["accept", "vary", "x-a"]), st.text("aZ0 ,;=\xe9", max_size=6)),
    max_size=4,
)
PATHS = st.sampled_from([b"/", b"/a%2Fb", b"//x", b"/caf%C3%A9", b"/%FF", b"/x/"])
QUERIES = st.sampled_from([b"", b"a=1&a=2", b"q=a%2Bb", b"q=a+b", b"flag", b"k=", b"e=%C3%A9"])
TEXT = st.text('aZ0{}[]":,.\n \xe9\u20ac', max_size=8).map(str.encode)
BYTES = st.one_of(TEXT, st.sampled_from([b"true", b"1234", b"dHJ1ZQ=="]), st.binary(max_size=8))


def is_utf8(body: bytes) -> bool:
    return body.decode("utf-8", "ignore").encode() == body


@FEW
@given(
    source=st.sampled_from(["openwhisk", "digitalocean"]),
    kind=st.sampled_from(TYPES),
    method=st.sampled_from(["GET", "POST", "PATCH"]),
    path=PATHS,
    query=QUERIES,
    fields=FIELDS,
    body=BYTES,
    client=st.sampled_from([None, ("203.0.113.7", 0), ("2001:db8::7", 0)]),
)
def test_a_request_comes_back(
    source: str,
    kind: str | None,
    method: str,
    path: bytes,
    query: bytes,
    fields: list[tuple[str, str]],
    body: bytes,
    client: tuple[str, int] | None,
) -> None:
    if source == "openwhisk" and kind in ("text/plain", FORM) and not is_utf8(body):
        body = body.decode("utf-8", "replace").encode()  # not carried
    pairs = [("host", "example.org:8080"), *fields, *([("content-type", kind)] if kind else [])]
    sent = Request(
        method,
        path,
        query_string=query,
        headers=Headers([*pairs, ("accept-encoding", "gzip")]),
        body=body,
        server=("example.org", 8080),
        client=client,
        source=source,
    )
    event = json.loads(json.dumps(openwhisk.make_event(sent)))
    assert openwhisk.matches(event)
    arrived = read(event)
    expected = Headers(proxied_headers(sent).joined().items())
    expected.remove("accept-encoding")
    if body:
        expected.set("content-length", str(len(body)))
    sent.headers = expected
    assert arrived == sent
    assert arrived.source == source


@FEW
@given(
    status=st.sampled_from([200, 204, 299, 404, 500]),
    kind=st.sampled_from([None, "application/json", "image/png", "text/html; charset=utf-8"]),
    fields=FIELDS,
    cookies=st.lists(st.sampled_from(["a=1", "b=2; Path=/"]), max_size=3),
    body=BYTES,
)
def test_an_answer_comes_back(
    status: int,
    kind: str | None,
    fields: list[tuple[str, str]],
    cookies: list[str],
    body: bytes,
) -> None:
    pairs = sorted([*fields, *(("set-cookie", one) for one in cookies)], key=lambda pair: pair[0])
    sent = Response(status, Headers(pairs), body)
    if kind:
        sent.headers.add("content-type", kind)
    reply = json.loads(json.dumps(openwhisk.to_reply(sent, {})))
    if kind in (None, "text/html; charset=utf-8") and not is_utf8(body):
        sent.headers.set("content-type", "application/octet-stream")
    assert openwhisk.from_reply(reply) == sent


def test_a_gateway_answers_both_platforms() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "4")])
        return [b"true"]

    gateway = unigate.wrap(app, sources=[openwhisk])
    for name in ("raw_json", "digitalocean_parsed"):
        assert gateway(load(f"openwhisk/{name}"), None) == {
            "statusCode": 200,
            "headers": {"content-type": "application/json"},
            "body": "dHJ1ZQ==",
        }
    forged = load("openwhisk/get") | {"http": {"method": "PUT"}}
    assert gateway(forged, None)["statusCode"] == 400
