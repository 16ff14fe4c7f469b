"""Azure's source, between Microsoft's own request, response and converter for the worker."""

from __future__ import annotations

import asyncio
import base64
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from azure.functions import HttpRequest, HttpResponse
from azure.functions.http import HttpResponseConverter
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

import unigate
from unigate.events import azure
from unigate.events.writing import proxied_headers
from unigate.http import Headers, Identity, Response
from unigate.request import Request

with warnings.catch_warnings():  # it imports the deprecated module cgi
    warnings.simplefilter("ignore", DeprecationWarning)
    import webob

PREFIX = "AzureFunctionsJobHost__extensions__http__routePrefix"
FEW = settings(deadline=None, max_examples=80, derandomize=True)


@pytest.fixture(autouse=True)
def _no_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, "")
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)


def asked(url: str, method: str = "GET", body: bytes = b"", **headers: str) -> HttpRequest:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method, url, headers=fields, body=body)


def read(url: str, **headers: str) -> Request:
    return azure.to_request(asked(url, **headers), None)


def test_a_request_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, "api")
    event = asked(
        "https://app.azurewebsites.net/api/notes/caf%C3%A9?code=k%3D%3D&a=1&a=2&flag",
        "POST",
        b"\xff\x00",
        host="app.azurewebsites.net",
        content_length="7",
        x_forwarded_proto="https",
        x_forwarded_for="6.6.6.6, 203.0.113.7:49196",
    )
    context = object()
    request = azure.to_request(event, context)
    assert request == Request(
        "POST",
        b"/api/notes/caf%C3%A9",
        query_string=b"code=k%3D%3D&a=1&a=2&flag",
        headers=Headers(
            [
                ("host", "app.azurewebsites.net"),
                ("content-length", "2"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-for", "6.6.6.6, 203.0.113.7"),
            ]
        ),
        body=b"\xff\x00",
        scheme="https",
        server=("app.azurewebsites.net", 443),
        client=("203.0.113.7", 49196),
        root_path="/api",
    )
    assert request.path == "/api/notes/caf\xe9"
    assert (request.source, request.event, request.context) == ("azure", event, context)


@pytest.mark.parametrize(
    ("url", "path", "query", "scheme", "server"),
    [
        ("http://localhost:7071/x", b"/x", b"", "http", ("localhost", 7071)),
        ("http://[::1]:7071/x/?a", b"/x/", b"a", "http", ("::1", 7071)),
        ("https://h?a=https://b/c?d", b"/", b"a=https://b/c?d", "https", ("h", 443)),
        ("/x?a=http://b/c", b"/x", b"a=http://b/c", "https", ("localhost", 443)),
        ("https://h//x", b"//x", b"", "https", ("h", 443)),
    ],
)
def test_every_url_has_its_parts(
    url: str, path: bytes, query: bytes, scheme: str, server: tuple[str, int]
) -> None:
    request = read(url)
    assert (request.raw_path, request.query_string) == (path, query)
    assert (request.scheme, request.server) == (scheme, server)


@pytest.mark.parametrize("header", ["x_waws_unencoded_url", "x_original_url"])
@pytest.mark.parametrize(
    ("seen", "sent", "path"),
    [
        ("/a%25", "/a%2525?q=2", "/a%2525"),  # the host leaves escapes as they are
        ("/a%25", "/a%25", "/a%25"),
        ("/a%252F", "/%61%252F", "/%61%252F"),  # if the host encoded the decoded path again
        ("/aA", "/a%2541", "/a%2541"),
        ("/a/b", "/a%2Fb", "/a%2Fb"),
        ("/caf%C3%A9", "/caf%c3%a9", "/caf%c3%a9"),
        ("/a%FF", "/%61%ff", "/%61%ff"),
        ("/b", "/x/../b", "/b"),
        ("/users", "/admin", "/users"),
        ("/users", "https://h/users", "/users"),
        ("/users", "", "/users"),
    ],
)
def test_the_line_as_sent_counts_if_it_is_of_this_path(
    header: str, seen: str, sent: str, path: str
) -> None:
    request = read(f"https://h{seen}?q=1", **{header: sent})
    assert request.raw_path == path.encode()
    assert request.query_string == b"q=1"


@pytest.mark.parametrize(
    ("config", "prefix"),
    [
        (None, "/api"),
        ('{"version": "2.0"}', "/api"),
        ('{"extensions": {"http": {"routePrefix": ""}}}', ""),
        ('{"extensions": {"http": {"routePrefix": "/v1/x/"}}}', "/v1/x"),
        ('{"a": "//", /* "routePrefix": "no" */ "RoutePrefix": "yes",} // "routePrefix"', "/yes"),
        ('// "routePrefix": "no"\n{"extensions": null}', "/api"),
        ("{", "/api"),
    ],
)
def test_the_prefix_of_routes_is_in_the_host_file(
    config: str | None, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PREFIX)
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    if config is not None:
        (tmp_path / "host.json").write_text(config, "utf-8")
    request = read(f"https://h{prefix}/x")
    assert (request.root_path, request.path) == (prefix, f"{prefix}/x")


@pytest.mark.parametrize(
    ("variables", "prefix"),
    [({}, ""), ({"FUNCTIONS_WORKER_RUNTIME": "python"}, "/api")],
)
def test_without_a_host_file_there_is_a_prefix_in_the_host_alone(
    variables: dict[str, str], prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PREFIX)
    monkeypatch.chdir(tmp_path)
    for name in ("AzureWebJobsScriptRoot", "FUNCTIONS_WORKER_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert read("https://h/api/x").root_path == prefix


def test_a_setting_wins_over_the_host_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "host.json").write_text('{"extensions": {"http": {"routePrefix": "no"}}}', "utf-8")
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    monkeypatch.setenv(PREFIX, "yes")
    assert read("https://h/yes/x").root_path == "/yes"


@pytest.mark.parametrize(
    ("path", "root"),
    [("/api", "/api"), ("/API/x", "/API"), ("/apiary", ""), ("/x/api", ""), ("/", "")],
)
def test_the_prefix_ends_at_a_segment_and_in_any_case(
    path: str, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX, "api")
    request = read(f"https://h{path}")
    assert (request.root_path, request.path) == (root, path)


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        ("203.0.113.7:49196", ("203.0.113.7", 49196)),
        ("6.6.6.6,[2001:db8::7]:5000", ("2001:db8::7", 5000)),
        ("6.6.6.6, 203.0.113.7", ("203.0.113.7", 0)),
        ("6.6.6.6, unknown", None),
        ("", None),
    ],
)
def test_the_client_is_the_last_that_was_forwarded(
    entries: str, client: tuple[str, int] | None
) -> None:
    assert read("https://h/", x_forwarded_for=entries, client_ip="6.6.6.6:1").client == client


def test_header_values_arrive_as_utf_8_and_are_shown_as_latin_1() -> None:
    assert (
        read("https://h/", x_a="\xe9\u20ac").headers["x-a"].encode("latin-1")
        == "\xe9\u20ac".encode()
    )


@pytest.mark.parametrize("body", [b"", None])
def test_no_body_is_none(body: Any) -> None:
    request = azure.to_request(HttpRequest("POST", "https://h/", body=body), None)
    assert request.body == b""
    assert "content-length" not in request.headers


@pytest.mark.parametrize("event", [{}, {"method": "GET", "url": "/", "headers": {}}, None, "x"])
def test_no_event_is_azures(event: Any) -> None:
    assert not azure.matches(event)
    with pytest.raises((AttributeError, TypeError)):
        azure.to_request(event, None)


# --- the identity --------------------------------------------------------------------------------


def principal(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


SIGNED_IN = {
    "x_ms_client_principal_id": "11111111-2222",
    "x_ms_client_principal_name": "ana@example.org",
    "x_ms_client_principal_idp": "aad",
    "x_ms_client_principal": principal(
        {
            "auth_typ": "aad",
            "name_typ": "name",
            "role_typ": "roles",
            "claims": [
                {"typ": "name", "val": "Ana"},
                {"typ": "roles", "val": "reader"},
                {"typ": "roles", "val": "writer"},
                {"typ": "scp", "val": "notes.read notes.write"},
            ],
        }
    ),
}


def test_app_service_says_who_is_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    assert read("https://h/", **SIGNED_IN).identity == Identity(
        "principal",
        "11111111-2222",
        {
            "auth_typ": "aad",
            "name": "Ana",
            "roles": ["reader", "writer"],
            "scp": "notes.read notes.write",
        },
        ("notes.read", "notes.write"),
    )
    assert read("https://h/").identity is None


@pytest.mark.parametrize("setting", [None, "", "False"])
def test_where_nobody_checks_nobody_is_known(
    setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("WEBSITE_AUTH_ENABLED", setting)
    assert read("https://h/", **SIGNED_IN).identity is None


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (
            principal({"userId": "7", "userRoles": ["anonymous"]}),
            Identity("principal", "7", {"userId": "7", "userRoles": ["anonymous"]}),
        ),
        (
            principal({"auth_typ": "google", "claims": [None, 3, {"typ": "a", "val": "b"}]}),
            Identity("principal", None, {"auth_typ": "google", "None": [None, None], "a": "b"}),
        ),
        (
            principal({"claims": [{"typ": "scp", "val": 3}]}),
            Identity("principal", None, {"auth_typ": None, "scp": 3}),
        ),
        (principal({"claims": "x"}), Identity("principal", None, {"claims": "x"})),
        (principal([]), None),
        (principal(None), None),
        ("!", None),
        (base64.b64encode(b"[" * 100_000).decode(), None),
        (base64.b64encode(b"\xff").decode(), None),
    ],
)
def test_any_principal_is_read(
    value: str, identity: Identity | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    assert read("https://h/", x_ms_client_principal=value).identity == identity


def test_the_provider_is_known_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    signed_in = {"x_ms_client_principal": principal({"claims": []})}
    identity = read("https://h/", x_ms_client_principal_idp="github", **signed_in).identity
    assert identity == Identity("principal", None, {"auth_typ": "github"})


def test_the_name_stands_in_for_a_missing_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    identity = read("https://h/", x_ms_client_principal_name="ana@example.org").identity
    assert identity == Identity("principal", "ana@example.org", {})


# --- the answer, as Microsoft's converter hands it to the worker ---------------------------------


def encoded(response: Response) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]]]:
    """Return the header fields, and the cookies that the worker writes one by one."""
    reply = azure.to_reply(response, None)
    assert isinstance(reply, HttpResponse)
    value = HttpResponseConverter.encode(reply, expected_type=None).value
    assert value["status_code"].value == str(response.status)
    assert value["body"].value == response.body
    cookies = [
        (f"{name}={morsel.value}", {k: v for k, v in morsel.items() if v not in ("", None)})
        for cookie in value["cookies"] or ()
        for name, morsel in cookie.items()
    ]
    return {name.lower(): one.value for name, one in value["headers"].items()}, cookies


def cookies(*values: str) -> Response:
    return Response(200, Headers(("set-cookie", value) for value in values))


def test_nothing_is_added_to_an_answer() -> None:
    # An empty media type makes the host remove the field.
    assert encoded(Response(503, None, b"{}")) == ({"content-type": ""}, [])
    fields = [("content-encoding", "gzip"), ("content-type", "text/html")]
    assert encoded(Response(200, Headers(fields), b"\x1f\x8b")) == (dict(fields), [])


def test_repeated_fields_are_joined() -> None:
    headers = Headers([("vary", "a"), ("content-type", "x/y"), ("vary", "b")])
    assert encoded(Response(200, headers))[0] == {"vary": "a, b", "content-type": "x/y"}


def test_what_is_not_ascii_is_percent_encoded() -> None:
    headers = Headers(
        [("location", "/caf\xc3\xa9%20"), ("x-a", "\x01\t\x7f"), ("content-type", "x/y")]
    )
    fields = {"location": "/caf%C3%A9%20", "x-a": "%01\t%7F", "content-type": "x/y"}
    assert encoded(Response(200, headers))[0] == fields
    assert encoded(cookies("a=\xe9"))[0]["set-cookie"] == "a=%E9"


@pytest.mark.parametrize(
    "cookie",
    [
        "a=1",
        "s=eyJ+/==.x; Path=/; SameSite=None; Secure; Partitioned; Priority=High",
        'm="x y"; Expires=Thu, 01-Jan-2026 00:00:00 GMT; Max-Age=abc',
        "__Host-a=1; Path=/; Secure",
        "foo[bar]=1",
        "=1",
        "",
    ],
)
def test_one_cookie_goes_as_it_is(cookie: str) -> None:
    fields, parsed = encoded(cookies(cookie))
    assert (fields["set-cookie"], parsed) == (cookie, [])


def test_the_cookie_that_goes_as_it_is_is_the_first_that_would_change() -> None:
    plain = "csrf=x_-.~1; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Max-Age=60; Path=/a; Domain=h"
    session = "session=a.b==; Path=/; HttpOnly; SameSite=Lax"
    host = "__Host-x=; secure ; path=/; HttpOnly; SameSite=Strict; Max-Age=-1;"
    fields, parsed = encoded(cookies(plain, session, host.rstrip(";")))
    assert fields["set-cookie"] == session
    assert parsed == [
        (
            "csrf=x_-.~1",
            {"expires": "Thu, 01 Jan 2026 00:00:00 GMT", "max-age": "60", "path": "/a"}
            | {"domain": "h"},
        ),
        (
            "__Host-x=",
            {"secure": True, "path": "/", "httponly": True, "samesite": "Strict", "max-age": "-1"},
        ),
    ]


def test_plain_cookies_keep_their_order() -> None:
    fields, parsed = encoded(cookies("a=1", "b=2", "a=3"))
    assert fields["set-cookie"] == "a=1"
    assert parsed == [("b=2", {}), ("a=3", {})]


def test_a_missing_domain_is_not_written() -> None:
    reply = azure.to_reply(cookies("a=1", "__Host-b=2", "__Host-b=2; Domain="), None)
    parsed = HttpResponseConverter.encode(reply, expected_type=None).value["cookies"]
    assert [cookie["__Host-b"]["domain"] for cookie in parsed] == [None, None]
    assert [cookie["__Host-b"]["path"] for cookie in parsed] == ["", ""]


def test_further_cookies_never_fail_and_a_warning_names_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = "s=a=="
    rest = [
        "a=1; Expires=Sun, 06-Nov-94 08:49:37 GMT",
        'b="q r"; Max-Age=abc; Expires=never; Path="/x"',
        "c=1; Expires=Thu, 01 Jan 99999 00:00:00 GMT; Partitioned",
        "version=a\tb; Comment=x",
        "bad name=1",
        "d=\xe9; Secure=no",
    ]
    fields, parsed = encoded(cookies(first, *rest))
    assert fields["set-cookie"] == first
    assert parsed == [
        ("a=1", {"expires": "Sun, 06 Nov 1994 08:49:37 GMT"}),
        ('b="q r"', {"path": '"/x"'}),
        ("c=1", {}),
        ("version=a b", {}),
        ("d=%E9", {"secure": True}),
    ]
    named = [record.args for record in caplog.records]
    assert named == [("b",), ("c",), ("version",), ("bad name",), ("d",)]
    assert "q r" not in caplog.text


def test_other_fields_are_as_usual_in_the_answers_headers() -> None:
    headers = azure.to_reply(Response(200, Headers([("x-a", "1")])), None).headers
    assert headers.get_all("x-a") == ["1"]
    assert headers.pop("x-a") == "1"
    assert headers.pop("set-cookie", None) is None


# --- there and back ------------------------------------------------------------------------------

VALUES = st.text('aZ0 ,;="\\/\t\xe9', max_size=6)
TARGETS = st.lists(st.sampled_from(["a", "/", "%2F", "%25", "%41", "%C3%A9", "%FF", "+", "~", "."]))
PAIRS = st.lists(st.tuples(st.sampled_from(["accept", "cookie", "x-a"]), VALUES), max_size=4)
CLIENTS = [None, ("203.0.113.7", 0), ("203.0.113.7", 5000), ("2001:db8::7", 0), ("2001:db8::7", 80)]
COOKIES = st.text('aZ0-._~!=;, "\\%\t\xe9[]()\x01', max_size=8)


@FEW
@given(
    method=st.sampled_from(["GET", "POST"]),
    path=TARGETS.map("".join),
    query=TARGETS.map("".join),
    pairs=PAIRS,
    body=st.binary(max_size=4),
    scheme=st.sampled_from(["http", "https"]),
    server=st.sampled_from([("example.org", 443), ("example.org", 8080), ("::1", 3000)]),
    client=st.sampled_from(CLIENTS),
    prefix=st.sampled_from(["", "/api"]),
)
def test_a_request_survives(
    method: str,
    path: str,
    query: str,
    pairs: list[tuple[str, str]],
    body: bytes,
    scheme: str,
    server: tuple[str, int],
    client: tuple[str, int] | None,
    prefix: str,
) -> None:
    utf_8 = [(name, value.encode().decode("latin-1")) for name, value in pairs]
    request = Request(
        method,
        f"{prefix}/{path}".encode(),
        query_string=query.encode(),
        headers=Headers(utf_8),
        body=body,
        scheme=scheme,
        server=server,
        client=client,
        root_path=prefix,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PREFIX, prefix)
        arrived = azure.to_request(azure.make_event(request), None)
    # Repeated fields are joined, and App Service adds its own.
    fields = proxied_headers(request).joined()
    if client:
        fields["x-forwarded-for"] = arrived.headers["x-forwarded-for"]
    fields["x-waws-unencoded-url"] = f"{prefix}/{path}" + (f"?{query}" if query else "")
    if body:
        fields["content-length"] = str(len(body))
    request.headers = Headers(fields.items())
    assert arrived == request


@FEW
@given(pairs=PAIRS, values=st.lists(COOKIES, max_size=4), body=st.binary(max_size=3))
def test_an_answer_survives(pairs: list[tuple[str, str]], values: list[str], body: bytes) -> None:
    headers = Headers([*pairs, *(("set-cookie", value) for value in values)])
    arrived = azure.from_reply(azure.to_reply(Response(299, headers, body), None))
    # Repeated fields are joined, cookies never; and all is ASCII.
    joined = headers.joined()
    joined.pop("set-cookie", None)
    expected = [*joined.items(), *(("set-cookie", value) for value in values)]
    shown = [(n, v.replace("\xe9", "%E9").replace("\x01", "%01")) for n, v in expected]
    assert arrived == Response(299, Headers(shown), body)
    encoded(Response(299, headers, body))


def test_the_query_is_there_for_functions_too() -> None:
    event = azure.make_event(Request("GET", b"/x", query_string=b"a=1&b=%20&a=2&c"))
    assert dict(event.params) == {"a": "1,2", "b": " ", "c": ""}
    assert event.url == "https://localhost:443/x?a=1&b=%20&a=2&c"
    headers = Headers([("host", "example.org")])
    assert azure.make_event(Request("GET", headers=headers)).url == "https://example.org/"


# --- HTTP streams: FastAPI calls what a function has returned, as Microsoft's extension does -----


async def report(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the scope and the body, in two parts."""
    body = (await receive())["body"]
    scope["context"] = scope["unigate.request"].context
    shown = json.dumps({name: repr(value) for name, value in scope.items()}).encode()
    cookies = [(b"set-cookie", b"a=b=="), (b"set-cookie", b"c=d/e")]
    await send({"type": "http.response.start", "status": 203, "headers": cookies})
    await send({"type": "http.response.body", "body": shown, "more_body": True})
    await send({"type": "http.response.body", "body": body})


def streamed(path: bytes, *fields: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    extension = FastAPI()

    @extension.api_route("/{path:path}", methods=["POST"])
    async def function(request: FastAPIRequest) -> Any:
        return azure.answer_streaming(report, request, "context")

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"\xff!", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"q=a%2Bb",
        "root_path": "",
        "headers": [(b"host", b"h.example"), *fields],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(extension(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("forwarded", "address", "passed"),
    [
        ("203.0.113.7:49196", "203.0.113.7", "203.0.113.7"),
        ("[2001:db8::7]:49196", "2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::7"),
        ("6.6.6.6:1,203.0.113.7:49196", "203.0.113.7", "6.6.6.6, 203.0.113.7"),
        ("unknown, 203.0.113.7", "203.0.113.7", "unknown, 203.0.113.7"),
        ("a:b:c:d, x:y, 203.0.113.7:1", "203.0.113.7", "a:b:c:d, x, 203.0.113.7"),
    ],
)
def test_frameworks_read_an_address_without_its_port(
    forwarded: str, address: str, passed: str
) -> None:
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    event = asked("https://h/", x_forwarded_for=forwarded)
    unigate.wrap(ProxyFix(application), interface="wsgi").azure(event)
    assert seen[0]["REMOTE_ADDR"] == address
    assert seen[0]["HTTP_X_FORWARDED_FOR"] == passed
    assert webob.Request(seen[0]).client_addr == passed.partition(",")[0]
    unigate.wrap(asgi_application, lifespan="off").azure(event)
    assert seen[1][b"x-forwarded-for"] == passed.encode()


def test_a_stream_is_passed_part_by_part() -> None:
    sent = streamed(b"/x")
    assert [message["type"] for message in sent] == ["http.response.start"] + [
        "http.response.body"
    ] * 2
    assert (sent[0]["status"], sent[0]["headers"]) == (
        203,
        [(b"set-cookie", b"a=b=="), (b"set-cookie", b"c=d/e")],
    )
    assert sent[2]["body"] == b"\xff!"


def test_a_streaming_application_sees_what_azure_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, "api")
    sent = streamed(
        b"/api/a%25",
        (b"x-waws-unencoded-url", b"/api/a%2525"),
        (b"x-forwarded-for", b"6.6.6.6, 203.0.113.7:5000"),
        (b"x-forwarded-proto", b"https"),
    )
    scope = json.loads(sent[1]["body"])
    names = ["path", "raw_path", "root_path", "client", "scheme", "query_string", "context"]
    assert {name: scope[name] for name in names} == {
        "path": "'/api/a%25'",
        "raw_path": "b'/api/a%2525'",
        "root_path": "'/api'",
        "client": "('203.0.113.7', 5000)",
        "scheme": "'https'",
        "query_string": "b'q=a%2Bb'",
        "context": "'context'",
    }
    assert "(b'x-forwarded-for', b'6.6.6.6, 203.0.113.7')" in scope["headers"]
    assert "(b'host', b'h.example')" in scope["headers"]
    assert scope["unigate.request"] == "<Request POST '/api/a%25' from azure>"
    # An application of FastAPI's kind must not take this one's router and parameters for its own.
    assert {"app", "router", "path_params", "endpoint"}.isdisjoint(scope)
