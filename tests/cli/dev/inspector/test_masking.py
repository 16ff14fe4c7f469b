"""Secrets are masked on the inspector page, in whatever shape an event contains them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.dev.inspecting import Inspected
from tests.cli.dev.inspector.test_inspector import SECRETS, echo
from unigate import Headers, Request, Response
from unigate.cli.dev.inspector.exchanges import Exchange
from unigate.cli.dev.inspector.masking import masked
from unigate.cli.dev.inspector.secret_names import MASK
from unigate.cli.dev.local_host import Setup
from unigate.emulator import EVENT_SOURCES

FIELDS = [
    ("authorization", "Bearer hush-header"),
    ("cookie", "session=hush-cookie; theme=hush-cookie"),
    ("x-api-key", "hush-header"),
    ("x-csrf-token", "hush-header"),
    ("referer", "http://localhost:8000/?token=hush-query"),
    ("x-plain", "green tea"),
]
JSON = b'{"user": {"password": "hush-json", "tokens": ["hush-json"]}, "milk": "oat"}'
FORM = b"milk=oat&password=hush-form&client_secret=hush-form"
TYPES = {JSON: "application/json", FORM: "application/x-www-form-urlencoded"}


def everything(inspected: Inspected) -> str:
    paths = ["", "1", "2", "1/2", "2/1"]
    paths += [f"{number}/{kind}" for number in (1, 2) for kind in ("curl", "test", "event")]
    return "".join(map(inspected.page, paths))


def leaked(text: str) -> list[str]:
    """Return the secrets in a text, base64 in it read as well."""
    for run in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
        text += base64.b64decode(run[: len(run) // 4 * 4]).decode("latin-1")
    return [secret for secret in SECRETS if secret in text]


def ask_both(inspected: Inspected, body: bytes) -> None:
    fields = [*FIELDS, ("content-type", TYPES[body])]
    inspected.ask("/tea?access_token=hush-query&page=2", body, headers=fields)
    inspected.post("1/replay", {"source": "alb"})


@pytest.mark.parametrize("body", [JSON, FORM], ids=["json", "form"])
@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_no_secret_is_on_the_page_whatever_the_event(source: str, body: bytes) -> None:
    inspected = Inspected(echo, Setup(source))
    ask_both(inspected, body)
    text = everything(inspected)
    assert leaked(text) == []
    for plain in ("green tea", "oat", "page=2"):
        assert plain in text


def test_secrets_are_shown_on_demand() -> None:
    for body in (JSON, FORM):
        inspected = Inspected(echo, show_secrets=True)
        ask_both(inspected, body)
        text = everything(inspected)
        left_out = "hush-form" if body is JSON else "hush-json"
        assert leaked(text) == [secret for secret in SECRETS if secret != left_out]
        assert MASK not in text


def test_the_event_itself_keeps_its_secrets() -> None:
    inspected = Inspected(echo)
    ask_both(inspected, JSON)
    everything(inspected)
    exchange = inspected.history.get(1)
    assert exchange is not None
    assert exchange.event["headers"]["authorization"] == "Bearer hush-header"
    assert exchange.event["body"] == JSON.decode()


def test_the_harmless_parts_of_secrets_stay_readable() -> None:
    fields = [
        ("authorization", "Basic dTpw"),
        ("proxy-authorization", "dTpw"),
        ("cookie", "a=1; b=2;c=3; d"),
        ("x-api-key", "k"),
        ("x-empty-token", ""),
    ]
    cookies = [("set-cookie", "a=1; Path=/; Secure"), ("set-cookie", "b=2")]
    exchange = Exchange(Request("GET", headers=Headers(fields)), "http_api")
    exchange.response = Response(200, Headers([*cookies, ("location", "/?page=1&token=2#end")]))
    exchange.event = {
        "cookies": ["a=1", "b=2"],
        "headers": {"Cookie": "a=1", "COOKIE": None},
        "multiValueHeaders": {
            "sEt-cOOkie": ["a=1; HttpOnly"],
            "Authorization": ["Basic dTpw", "x"],
        },
        "Records": [{"cookie": [{"key": "Cookie", "value": "a=1"}], "apiKeyId": 7}],
        "body": '{"headers": {"cookie": "a=1"}}',
        "queryString": {"token": "t", "page": "2"},
        "url": "/x?token=t&page=2",
    }
    without = masked(exchange)
    assert without.sent.headers.pairs == [
        ("authorization", "Basic (masked)"),
        ("proxy-authorization", "(masked)"),
        ("cookie", "a=(masked); b=(masked); c=(masked); (masked)"),
        ("x-api-key", "(masked)"),
        ("x-empty-token", ""),
    ]
    assert without.response is not None
    assert without.response.headers.pairs == [
        ("set-cookie", "a=(masked); Path=/; Secure"),
        ("set-cookie", "b=(masked)"),
        ("location", "/?page=1&token=(masked)#end"),
    ]
    assert without.event == {
        "cookies": ["a=(masked)", "b=(masked)"],
        "headers": {"Cookie": "a=(masked)", "COOKIE": None},
        "multiValueHeaders": {
            "sEt-cOOkie": ["a=(masked); HttpOnly"],
            "Authorization": ["Basic (masked)", "(masked)"],
        },
        "Records": [{"cookie": [{"key": "Cookie", "value": "a=(masked)"}], "apiKeyId": MASK}],
        "body": '{"headers": {"cookie": "a=(masked)"}}',
        "queryString": {"token": MASK, "page": "2"},
        "url": "/x?token=(masked)&page=2",
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b'{"milk":  1 }', b"[1, 2]", b"{broken", b"password no pair"],
)
def test_bodies_without_secrets_stay_unchanged(body: bytes) -> None:
    assert masked(Exchange(Request("POST", body=body), "http_api")).sent.body == body


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_a_deep_secret_is_masked_too(depth: int) -> None:
    body = b'{"a":' * depth + b'{"password": "hush-json"}' + b"}" * depth
    assert b"hush" not in masked(Exchange(Request("POST", body=body), "http_api")).sent.body


NAMES = st.sampled_from(["Authorization", "cookie", "Set-Cookie", "x-token", "password", "API_KEY"])
SECRET = st.text("hush;= ,{}[]\"'&?", min_size=1).map(lambda text: f"hush{text}")
NESTED = st.recursive(
    SECRET, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner)
)


@given(NAMES, NESTED)
def test_nothing_below_a_secret_name_is_shown(name: str, value: Any) -> None:
    exchange = Exchange(Request("GET"), "http_api")
    exchange.event = {"x": [{name: value}]}
    shown = json.dumps(masked(exchange).event)
    if name.lower() in ("cookie", "set-cookie"):  # names and attributes of cookies are shown
        assert all(MASK in text for text in texts(masked(exchange).event["x"][0][name]))
    else:
        assert "hush" not in shown


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value]
