"""The inspector page: what it shows, what it sends, and which requests it refuses."""

from __future__ import annotations

import gc
import html
import json
import logging
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import unigate
from tests.cli.dev.inspecting import ORIGIN, Inspected
from unigate.cli.dev.inspector import exchanges, logs
from unigate.cli.dev.inspector.alignment import align
from unigate.cli.dev.inspector.page import ROOT
from unigate.cli.dev.local_host import Setup
from unigate.emulator import EVENT_SOURCES
from unigate.types import Environ, StartResponse

pytestmark = pytest.mark.usefixtures("bounded")

SECRETS = ["hush-header", "hush-cookie", "hush-json", "hush-query", "hush-set", "hush-form"]
HOSTILE = "<script>alert('x')</script>\"'&"


def echo(environ: Environ, start_response: StartResponse) -> list[bytes]:
    request = environ["unigate.request"]
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/boom":
        raise ValueError(f"the kettle is {HOSTILE}")
    fields = [("Content-Type", "application/json"), ("Set-Cookie", "id=hush-set; Path=/; HttpOnly")]
    start_response("200 OK", fields)
    seen = {
        "source": request.source,
        "method": request.method,
        "query": environ["QUERY_STRING"],
        "authorization": environ.get("HTTP_AUTHORIZATION"),
        "cookie": environ.get("HTTP_COOKIE"),
        "tea": environ.get("HTTP_X_TEA"),
        "length": environ.get("CONTENT_LENGTH"),
        "body": body.decode("latin-1"),
    }
    return [json.dumps(seen).encode()]


@pytest.fixture
def inspected() -> Inspected:
    return Inspected(echo)


def shown(inspected: Inspected, number: int) -> str:
    return html.unescape(inspected.page(str(number)))


def section(text: str, heading: str) -> str:
    found = re.search(rf"<summary>{heading}</summary><pre tabindex=\"0\">(.*?)</pre>", text, re.S)
    assert found, text
    return found[1]


def sent_again(answer: Any) -> int:
    assert answer.status == 200, answer.body
    number: int = json.loads(answer.body)["number"]
    return number


# Exchanges.


def test_a_request_is_shown_with_all_that_became_of_it(inspected: Inspected) -> None:
    inspected.ask(
        "/caf%C3%A9?a=1", b'{"milk": true}', "PUT", [("content-type", "application/json")]
    )
    text = shown(inspected, 1)
    assert section(text, "HTTP request").splitlines() == [
        "PUT /caf%C3%A9?a=1",
        "host: localhost:8000",
        "content-type: application/json",
        "",
        '{"milk": true}',
    ]
    event = json.loads(section(text, "Event"))
    assert (event["rawPath"], event["rawQueryString"]) == ("/café", "a=1")
    assert event["body"] == '{"milk": true}'
    common = json.loads(section(text, "Common request"))
    assert (common["path"], common["raw_path"]) == ("/café", "/caf%C3%A9")
    assert common["source"] == "http_api"
    assert common["ip_address"] == "127.0.0.1"
    reply = json.loads(section(text, "Reply"))
    assert reply["statusCode"] == 200
    assert reply["cookies"] == ["id=(masked); Path=/; HttpOnly"]
    answer = section(text, "HTTP response").splitlines()
    assert answer[:3] == [
        "200 OK",
        "content-type: application/json",
        "set-cookie: id=(masked); Path=/; HttpOnly",
    ]
    assert json.loads(answer[-1])["method"] == "PUT"


def test_the_list_has_the_latest_first(inspected: Inspected) -> None:
    inspected.ask("/first")
    inspected.ask("/boom")
    page = inspected.page("")
    assert page.index("/boom") < page.index("/first")
    assert re.findall(r'<li id="row-(\d)" class="status-(\d)">', page) == [("2", "5"), ("1", "2")]


def test_requests_for_the_page_do_not_reach_the_application(inspected: Inspected) -> None:
    for path in ("", "static/inspector.js", "static/inspector.css", "static/icon.svg", "77", "x/y"):
        answer = inspected.ask(f"/_unigate/{path}")
        assert b"source" not in answer.body or answer.status == 200
    assert inspected.ask("/_unigate").all("location") == [f"{ORIGIN}/_unigate/"]
    assert inspected.history.all() == []
    assert inspected.ask("/_unigatekeeper").status == 200
    assert len(inspected.history.all()) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [("77", 404), ("77/78", 404), ("1/teapot", 404), ("static/../page.py", 404), ("1/replay", 405)],
)
def test_missing_pages_have_an_error_status(inspected: Inspected, path: str, status: int) -> None:
    inspected.ask("/")
    assert inspected.ask(f"/_unigate/{path}").status == status


def test_an_invocation_is_timed_in_three_parts() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        unigate.wait_until(print)
        start_response("200 OK", [])
        return []

    inspected = Inspected(app)
    for number in (1, 2):
        inspected.ask("/")
        exchange = inspected.history.get(number)
        assert exchange is not None
        assert list(exchange.laps) == ["parse", "app", "reply"]
        assert all(seconds > 0 for seconds in exchange.laps.values())
        assert sum(exchange.laps.values()) < exchange.seconds
    assert "<dd>cold</dd>" in shown(inspected, 1)
    assert "<dd>warm</dd>" in shown(inspected, 2)


@pytest.mark.parametrize(
    ("size", "reply"), [(1, 5**2 - 4**2), (7_000_000, 8**2 - 7**2)], ids=["small", "too large"]
)
def test_the_application_is_timed_between_request_and_reply(
    monkeypatch: pytest.MonkeyPatch, size: int, reply: int
) -> None:
    clock = (number**2 for number in range(100))
    monkeypatch.setattr("unigate.cli.dev.timing.time.perf_counter", lambda: next(clock))
    inspected = Inspected(echo)
    inspected.ask("/", b"x" * size)
    laps = {"parse": 2**2 - 1**2, "app": 3**2 - 2**2, "reply": reply}
    assert inspected.exchange(1).laps == laps


def test_a_source_that_the_gateway_names_or_was_given_is_used_as_without_the_page() -> None:
    class Mine:
        __name__ = "mine"
        MAX_REPLY = 5000

        def __getattr__(self, name: str) -> Any:
            return getattr(EVENT_SOURCES["http_api"], name)

        def to_request(self, event: Any, context: Any) -> unigate.Request:
            request = EVENT_SOURCES["http_api"].to_request(event, context)
            request.source = "mine"
            return request

    for gateway in (
        unigate.wrap(echo, sources=[Mine()]),
        unigate.wrap(echo, sources=[Mine()], source="mine"),
    ):
        inspected = Inspected(gateway)
        assert b"mine takes 5000" in inspected.ask("/", b"x" * 6000).body
        assert json.loads(section(shown(inspected, 1), "Common request"))["source"] == "mine"


# Logs and tracebacks.


def test_what_is_logged_for_a_request_is_shown_with_it(capfd: pytest.CaptureFixture[str]) -> None:
    private = logging.Logger("private")  # has no handler and does not propagate

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        path = environ["PATH_INFO"]
        logging.getLogger("shop").warning("asked for %s", path)
        private.error("%d lumps", "two" if path == "/broken" else 2)
        print("not for the page")
        start_response("200 OK", [])
        return []

    inspected = Inspected(app)
    inspected.ask("/one")
    inspected.ask("/broken")
    logging.getLogger("shop").warning("asked for nothing")
    first, second = (inspected.history.get(number) for number in (1, 2))
    assert first is not None
    assert second is not None
    assert [line[1:4] for line in first.lines] == [
        ("WARNING", "shop", "asked for /one"),
        ("ERROR", "private", "2 lumps"),
    ]
    assert [line.message for line in second.lines] == ["asked for /broken", "%d lumps"]
    assert "<b>WARNING</b> <i>shop</i> asked for /one" in shown(inspected, 1)
    out, _ = capfd.readouterr()
    assert out.count("not for the page") == 2


def test_what_is_logged_on_the_loop_is_shown_too() -> None:
    async def home(request: StarletteRequest) -> PlainTextResponse:
        logging.getLogger("shop").error("on the loop")
        return PlainTextResponse("")

    inspected = Inspected(Starlette(routes=[Route("/", home)]))
    for number in (1, 2):
        inspected.ask("/")
        exchange = inspected.history.get(number)
        assert exchange is not None
        assert [line.message for line in exchange.lines] == ["on the loop"]


def test_log_records_after_the_response_are_not_added() -> None:
    later: list[Callable[[], None]] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        from contextvars import copy_context

        context = copy_context()
        later.append(lambda: context.run(logging.getLogger("shop").error, "too late"))
        start_response("200 OK", [])
        return []

    inspected = Inspected(app)
    inspected.ask("/")
    later[0]()
    exchange = inspected.history.get(1)
    assert exchange is not None
    assert exchange.lines == []


def test_late_lines_are_inserted_in_order() -> None:
    exchange = exchanges.Exchange(unigate.Request("GET"), "http_api")
    for second in (2, 3, 1):
        line = [float(second), "ERROR", "shop", f"pot {second}", f"trace {second}"]
        exchange.update({"line": line})
    assert [line.message for line in exchange.lines] == ["pot 1", "pot 2", "pot 3"]
    assert exchange.trace == "trace 3"


def test_log_lines_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        for number in range(5):
            logging.getLogger("shop").error("pot %d", number)
        start_response("200 OK", [])
        return []

    monkeypatch.setattr(logs, "MOST", 3)
    inspected = Inspected(app)
    inspected.ask("/")
    exchange = inspected.history.get(1)
    assert exchange is not None
    assert [line.message for line in exchange.lines] == ["pot 0", "pot 1", "pot 2"]


def test_a_failure_is_shown_with_its_traceback(inspected: Inspected) -> None:
    inspected.ask("/boom")
    text = inspected.page("1")
    assert "Traceback (most recent call last)" in text
    assert "ValueError: the kettle is &lt;script&gt;" in text
    assert '<i class="failed">failed</i>' in inspected.page("")


def test_a_crash_is_shown_with_its_traceback() -> None:
    inspected = Inspected(unigate.wrap(echo, on_error="raise"))
    assert inspected.ask("/boom").status == 500
    assert "ValueError: the kettle is" in section(shown(inspected, 1), "HTTP response")
    assert "<summary>Traceback</summary>" in inspected.page("1")


# Hostile content.


def test_nothing_that_was_sent_becomes_markup() -> None:
    site = flask.Flask(__name__)

    @site.route("/<path:name>", methods=["POST"])
    def page(name: str) -> flask.Response:
        logging.getLogger(HOSTILE).error(HOSTILE)
        return flask.Response(HOSTILE, headers={"X-Note": HOSTILE}, mimetype="text/html")

    inspected = Inspected(site)
    inspected.ask(
        f"/a?{HOSTILE}", HOSTILE.encode(), headers=[("x-note", HOSTILE), ("accept", HOSTILE)]
    )
    inspected.post("1/replay", {"source": "vercel"})
    inspected.ask("/boom")
    for path in ("", "1", "2", "1/2", "3"):
        text = inspected.page(path)
        assert "<script>alert" not in text
        assert "alert(&#39;x&#39;)" in text or path == "3"
    assert json.dumps(HOSTILE)[1:-1] in inspected.page("1/event")


def test_a_lone_surrogate_can_be_shown() -> None:
    inspected = Inspected(echo, Setup("vercel"))
    inspected.ask("/", b'{"a": "\\ud800"}', headers=[("content-type", "application/json")])
    assert inspected.ask("/_unigate/1").status == 200


def test_only_the_script_and_the_style_of_the_page_may_run(inspected: Inspected) -> None:
    inspected.ask("/")
    for path in ("", "1", "static/inspector.js", "1/curl", "77"):
        answer = inspected.ask(f"/_unigate/{path}")
        (policy,) = answer.all("content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.all("x-content-type-options") == ["nosniff"]
        assert answer.all("cache-control") == ["no-store"]
        assert answer.all("access-control-allow-origin") == []
    page = inspected.page("") + inspected.page("1")
    assert not re.search(
        r"\sstyle=|\son\w+=|<script>|https?://|javascript:", page.replace(ORIGIN, "")
    )


# Access; test_access.py holds the rest.


@pytest.mark.parametrize("peer", ["10.0.0.7", "::2", "::ffff:10.0.0.7", ""])
def test_another_machine_is_refused(inspected: Inspected, peer: str) -> None:
    assert inspected.ask("/_unigate/", peer=peer).status == 403
    assert inspected.ask("/", peer=peer).status == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_not_refused(inspected: Inspected, peer: str) -> None:
    assert inspected.ask("/_unigate/", peer=peer).status == 200


@pytest.mark.parametrize("name", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host"])
def test_a_request_through_a_tunnel_is_refused(inspected: Inspected, name: str) -> None:
    assert inspected.ask("/_unigate/", headers=[(name, "203.0.113.7")]).status == 403


@pytest.mark.parametrize(
    "origin",
    [None, "null", "", "http://evil.test", "http://localhost:8001", "https://localhost:8000",
     "http://localhost", "http://localhost:8000.evil.test", "http://127.0.0.1:8000"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["1/replay", "1/resend", ""])
def test_a_post_from_another_site_is_refused(
    inspected: Inspected, origin: str | None, path: str
) -> None:
    inspected.ask("/")
    headers = [("content-type", "application/json"), *([("origin", origin)] if origin else [])]
    answer = inspected.ask(f"/_unigate/{path}", b"{}", "POST", headers)
    assert answer.status == 403
    assert len(inspected.history.all()) == 1


# Replays.


def test_a_replay_is_the_same_request_again(inspected: Inspected) -> None:
    fields = [("authorization", "Bearer hush-header"), ("x-tea", "green")]
    before = inspected.ask("/a?b=c", b"\xff\x00", "PUT", fields)
    number = sent_again(inspected.post("1/replay", {}))
    first, again = (inspected.history.get(n) for n in (1, number))
    assert first is not None
    assert again is not None
    assert again.replay_of == 1
    assert again.event == first.event
    assert again.response is not None
    assert again.response.body == before.body
    assert "replay of #1" in inspected.page("")
    assert '<a href="#1/2">' in inspected.page("2")


@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_a_replay_as_any_other_source_is_shown_beside_the_first(
    inspected: Inspected, source: str
) -> None:
    inspected.ask("/tea?b=c", b"two lumps", "PUT", [("content-type", "text/plain")])
    assert sent_again(inspected.post("1/replay", {"source": source})) == 2
    again = inspected.history.get(2)
    assert again is not None
    assert again.request is not None
    assert again.request["source"] == source
    assert again.request["body"] == "two lumps"
    assert list(again.laps) == ["parse", "app", "reply"]
    pair = inspected.page("1/2")
    differing = re.findall(r"<td><mark>(.*?)</mark></td>", html.unescape(pair), re.S)
    if source == "http_api":
        assert differing == []
    else:
        assert '  "source": "http_api",' in differing
        assert f'  "source": "{source}",' in differing
    assert "<td>200 OK</td>" in pair


def test_a_replay_as_something_unknown_is_refused(inspected: Inspected) -> None:
    inspected.ask("/")
    assert inspected.post("1/replay", {"source": "teapot"}).status == 400
    assert inspected.post("1/replay", ["alb"]).status == 400
    assert inspected.post("7/replay", {}).status == 404
    assert len(inspected.history.all()) == 1


def form(inspected: Inspected, number: int) -> dict[str, str]:
    text = inspected.page(str(number))
    areas = re.findall(r'<textarea name="(\w+)"[^>]*>\n?(.*?)</textarea>', text, re.S)
    inputs = re.findall(r'<input name="(\w+)" value="(.*?)"', text)
    return {name: html.unescape(value) for name, value in (*inputs, *areas)}


def answered(inspected: Inspected, number: int) -> dict[str, Any]:
    exchange = inspected.history.get(number)
    assert exchange is not None
    assert exchange.response is not None
    found: dict[str, Any] = json.loads(exchange.response.body)
    return found


def test_a_request_is_sent_as_it_was_edited(inspected: Inspected) -> None:
    fields = [("x-tea", "grün".encode().decode("latin-1")), ("content-length", "4")]
    inspected.ask("/a", b"milk", headers=fields)
    given = form(inspected, 1)
    assert given["headers"].splitlines()[1:] == ["x-tea: grün", "content-length: 4"]
    given.update(method="patch", target="/ö?q=2", body="two\nlumps é")
    given["headers"] += "\nAuthorization: Basic  abc\nX-Note: süß"
    sent_again(inspected.post("1/resend", given))
    seen = answered(inspected, 2)
    assert seen["method"] == "PATCH"
    assert seen["query"] == "q=2"
    assert seen["body"].encode("latin-1").decode() == "two\nlumps é"
    assert seen["length"] == "12"
    assert seen["tea"].encode("latin-1").decode() == "grün"
    assert seen["authorization"] == "Basic  abc"
    exchange = inspected.history.get(2)
    assert exchange is not None
    assert exchange.sent.raw_path == b"/%C3%B6"
    assert exchange.sent.headers["x-note"].encode("latin-1").decode() == "süß"
    assert exchange.sent.headers.getlist("content-length") == ["12"]
    assert exchange.replay_of == 1


def test_unchanged_masked_values_are_sent_unmasked(inspected: Inspected) -> None:
    fields = [("authorization", "Bearer hush-header"), ("cookie", "a=hush-cookie; b=2"),
              ("content-type", "application/json")]  # fmt: skip
    inspected.ask("/?token=hush-query", b'{"password": "hush-json"}', headers=fields)
    given = form(inspected, 1)
    assert not any(secret in str(given) for secret in SECRETS)
    given["headers"] += "\nx-tea: green"
    sent_again(inspected.post("1/resend", given))
    seen = answered(inspected, 2)
    assert seen["authorization"] == "Bearer hush-header"
    assert seen["cookie"] == "a=hush-cookie; b=2"
    assert seen["query"] == "token=hush-query"
    assert seen["body"] == '{"password": "hush-json"}'
    assert seen["tea"] == "green"


@pytest.mark.parametrize(
    "edit",
    [
        {"body": '{"password": "(masked)", "more": 1}'},
        {"target": "/other?token=(masked)"},
        {"headers": "authorization: Basic (masked)"},
        {"headers": "no colon"},
        {"headers": ": no name"},
        {"headers": None},
        {"target": "no-slash"},
        {"target": 3},
        {"method": None},
        {"method": ""},
        {"method": "G ET"},
        {"method": "GÉT"},
        {"method": "GET\x1b"},
        {"body": 3},
    ],
)
def test_an_edited_request_that_cannot_be_sent_is_refused(
    inspected: Inspected, edit: dict[str, Any]
) -> None:
    fields = [("authorization", "Bearer hush-header"), ("content-type", "application/json")]
    inspected.ask("/?token=hush-query", b'{"password": "hush-json"}', headers=fields)
    answer = inspected.post("1/resend", {**form(inspected, 1), **edit})
    assert answer.status == 400
    assert answer.all("content-type") == ["text/plain; charset=utf-8"]
    assert len(inspected.history.all()) == 1


@pytest.mark.parametrize("body", [b"\xff\x00\r\n", b"a\r\nb\rc", b""])
def test_a_body_that_is_not_edited_stays_byte_for_byte(inspected: Inspected, body: bytes) -> None:
    inspected.ask("/", body, "POST")
    given = form(inspected, 1)
    if body.startswith(b"\xff"):
        assert given.pop("body") == "(4 bytes, sent unchanged)"
    else:
        given["body"] = given["body"].replace("\r\n", "\n").replace("\r", "\n")
    sent_again(inspected.post("1/resend", given))
    assert answered(inspected, 2)["body"].encode("latin-1") == body


# History.


def test_the_oldest_requests_are_dropped(
    monkeypatch: pytest.MonkeyPatch, inspected: Inspected
) -> None:
    monkeypatch.setattr(exchanges, "MOST", 3)
    for _ in range(5):
        inspected.ask("/")
    assert [one.number for one in inspected.history.all()] == [3, 4, 5]
    assert inspected.ask("/_unigate/2").status == 404


def test_large_requests_are_dropped_earlier(
    monkeypatch: pytest.MonkeyPatch, inspected: Inspected
) -> None:
    monkeypatch.setattr(exchanges, "MOST_BYTES", 200_000)
    for _ in range(4):
        inspected.ask("/", b"x" * 20_000)
    assert [one.number for one in inspected.history.all()] == [4]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"x" * 100_000),
        ("/", ("x" * 100_000 + "\U0001f600").encode()),  # four bytes a character in memory
        ("/", bytes(range(256)) * 400),
        ("/log", b"x" * 20_000),
        ("/boom", ("x" * 50_000 + "\U0001f600").encode()),
        (f"/?{'a=b&' * 30_000}", b""),
        ("/", b'{"a":' * 20_000),
    ],
)
def test_the_history_takes_no_more_memory_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, target: str, body: bytes
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        content = environ["wsgi.input"].read()
        for _ in range(300 if environ["PATH_INFO"] == "/log" else 0):
            logging.getLogger("shop").warning(content.decode())
        if environ["PATH_INFO"] == "/boom":
            raise ValueError(content.decode())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [content]

    monkeypatch.setattr(exchanges, "MOST_BYTES", 8_000_000)
    monkeypatch.setattr(logging.getLogger("shop"), "disabled", False)
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    inspected = Inspected(unigate.wrap(app, on_error="raise"))
    inspected.ask(target)  # so that what is imported and cached by now is not counted
    tracemalloc.start()
    for _ in range(30):
        inspected.ask(target, body)
    gc.collect()  # the frames of tracebacks
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    kept = inspected.history.all()
    assert 1 <= len(kept) < 30
    assert sum(exchange.size for exchange in kept) <= 8_000_000
    assert 2_000_000 < taken < 9_000_000


def test_of_a_request_beyond_the_limit_the_outline_is_kept(
    monkeypatch: pytest.MonkeyPatch, inspected: Inspected
) -> None:
    monkeypatch.setattr(exchanges, "MOST_BYTES", 300_000)
    inspected.ask("/small")
    assert len(inspected.ask("/large?a=1", b"x" * 200_000).body) > 200_000
    small, large = inspected.history.all()
    assert (small.is_outline, large.is_outline) == (False, True)
    assert large.measure() < 20_000
    text = shown(inspected, 2)
    assert "<b>POST</b> /large?a=1" in text
    assert "too large to be kept" in text
    assert 'class="status-2"' in inspected.page("")
    assert "<button" not in text
    assert "/small" in inspected.page("1/2")
    for path in ("2/curl", "2/test", "2/event"):
        assert inspected.ask(f"/_unigate/{path}").status == 404
    for path in ("2/replay", "2/resend"):
        answer = inspected.post(path, form(inspected, 1))
        assert (answer.status, answer.body) == (404, b"Request 2 was too large to be kept.")
    assert len(inspected.history.all()) == 2


def test_a_long_log_line_is_cut_in_the_middle() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        logging.getLogger("shop").error("begin%send", "x" * 20_000)
        start_response("200 OK", [])
        return []

    inspected = Inspected(app)
    inspected.ask("/")
    [line] = inspected.exchange(1).lines
    assert line.message.startswith("beginxxx")
    assert line.message.endswith("xxxend")
    assert "\n(10008 characters more)\n" in line.message


def test_a_long_path_is_listed_in_part(inspected: Inspected) -> None:
    inspected.ask(f"/{'x' * 5000}")
    assert f"/{'x' * 999}…</span>" in inspected.page("")


def test_a_long_comparison_is_cut_with_a_note(inspected: Inspected) -> None:
    body = json.dumps({"a": list(range(5000))}, indent=0).encode()
    site = Inspected(lambda environ, start: (start("200 OK", []), [body])[1])
    site.ask("/")
    site.ask("/")
    assert re.search(r"<td>\(\d+ lines more\)</td>", site.page("1/2"))


@pytest.mark.parametrize(
    ("left", "right", "rows"),
    [
        ("", "", []),
        ("a", "a", ["aa"]),
        ("abc", "axc", ["aa", "bx", "cc"]),
        ("abc", "bcd", ["a-", "bb", "cc", "-d"]),
        ("abcd", "dabc", ["-d", "aa", "bb", "cc", "d-"]),
        ("aab", "ab", ["aa", "a-", "bb"]),
        ("{x}{y}", "{x}{z}{y}", ["{{", "xx", "}}", "{{", "-z", "-}", "-{", "yy", "}}"]),
    ],
)
def test_equal_lines_are_side_by_side(left: str, right: str, rows: list[str]) -> None:
    assert [f"{row.left or '-'}{row.right or '-'}" for row in align(left, right)] == rows


@given(st.text("abcd", max_size=30), st.text("abcd", max_size=30))
def test_every_line_of_both_texts_is_shown_in_order(left: str, right: str) -> None:
    rows = list(align(left, right))
    assert "".join(row.left or "" for row in rows) == left
    assert "".join(row.right or "" for row in rows) == right
    assert all(row != (None, None) for row in rows)
    assert not any(row.differs for row in align(left, left))


@pytest.mark.parametrize("count", [2000, 200_000])
def test_texts_of_few_different_lines_are_aligned_in_time(count: int) -> None:
    for unit in ("ab", "a", "abc", "abcdefgh"):
        left, right = list(unit * (count // len(unit))), list(unit[::-1] * (count // len(unit)))
        assert len(list(align(left, right))) <= 2 * count
    numbers = [str(number) for number in range(count)]
    assert len(list(align(numbers, numbers[::-1]))) <= 2 * count


def test_a_long_body_is_shown_in_part(inspected: Inspected) -> None:
    inspected.ask("/", b"x" * 300_000)
    text = shown(inspected, 1)
    assert "(100000 characters more)" in section(text, "HTTP request")
    assert form(inspected, 1)["body"] == "(300000 bytes, sent unchanged)"


def test_the_library_does_not_import_the_page() -> None:
    import subprocess
    import sys

    code = "import sys, unigate, unigate.testing; print([m for m in sys.modules if 'cli' in m])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "unigate.cli" not in ended.stdout
    assert ROOT == "/_unigate"
