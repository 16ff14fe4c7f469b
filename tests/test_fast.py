"""The extra `fast`: the results of pybase64 and orjson are those of the standard library."""

from __future__ import annotations

import decimal
import enum
import json
import math
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unigate import large_json
from unigate.cache import values
from unigate.http import bodies
from unigate.lambda_runtime.errors import TypedError
from unigate.lambda_runtime.marshalling import marshal, to_json, unmarshal

BASE64 = b64encode(bytes(range(256)) * 64).decode()
LARGE_TEXT = 'a "text"\n\\ \x00\x1f\x7f ä 日 😀' * (large_json.LARGE // 16)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400])
    | st.floats()
    | st.sampled_from([-0.0, 2.0**63, 1e16, 1e-7, 5e-324, 1.7976931348623157e308])
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    BODY = "body"


class Text(str):
    pass


class Number(int):
    pass


CYCLE: dict[str, Any] = {"statusCode": 200}
CYCLE["again"] = CYCLE

# Members of a reply that `json` and orjson write differently, or that one of them refuses.
MEMBERS: dict[str, Any] = {
    "nan": {"a": math.nan, "b": [math.inf, -math.inf]},
    "large integers": [2**64, -(2**63) - 1, 10**400],
    "too many digits": 10**10_000,
    "floats": [1e16, 1e-7, -0.0, 1.0],
    "keys": {1: "a", 1.5: "b", None: "c", False: "d", "1": "e"},
    "tuple as a key": {("a",): 1},
    "surrogate": "a\ud800b",
    "decimals": [decimal.Decimal(1), decimal.Decimal("1.5")],
    "subclasses": [Text("a"), Number(1), Name.BODY, (1, 2)],
    "enum": Colour.RED,
    "object": object(),
    "set": {1},
    "cycle": CYCLE,
    "deep": json.loads("[" * 300 + "]" * 300),
}
# Text that `json` and orjson read differently, or that one of them refuses.
TEXTS = [
    *(b"NaN", b"-Infinity", b"18446744073709551616", b"-9223372036854775809", b"9" * 5000),
    *(b"9223372036854775808", b"18446744073709551615", b"1e400", b"-1e400", b"1e-400", b"-0"),
    *(b"-0.0", b"1E5", b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"', b'"\xff"', b'"\x00"'),
    *(b"[1,]", b"01", b"[", b'{"a": 1, "b": 2, "a": 3}', b"[" * 40 + b"]" * 40, b"'a'", b"\xef"),
    *(b"[" * 1010 + b"]" * 1010, b"[" * 5000 + b"]" * 5000, b'{"a":[{"b":[1e30]}]}', b"tru", b""),
]


def outcome(call: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a call returns or raises; the text tells -0.0 from 0 and the order of keys."""
    try:
        result = call()
        return type(result), repr(result)
    except Exception as error:
        return type(error), str(error)


def both(call: Callable[[], Any]) -> tuple[Any, str]:
    """Return the outcome of a call, which must be the same with and without the packages."""
    assert large_json.find_orjson() is not None
    assert bodies.find_pybase64() is not None
    fast = outcome(call)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "find_orjson", lambda: None)
        patch.setattr(bodies, "find_pybase64", lambda: None)
        assert outcome(call) == fast
    return fast


@settings(deadline=None, max_examples=150)
@given(st.text("AZaz09+/-_=\r\n !\t\x00ä\ud800", max_size=9), st.sampled_from([0, 1, 2, 3, 16_000]))
def test_base64_is_read_alike(odd: str, at: int) -> None:
    for text in (BASE64[at:] + odd, BASE64[:at] + odd + BASE64[at:], odd + BASE64.rstrip("=")):
        both(lambda text=text: bodies.decode_body(text, True))
        both(lambda text=text: bodies.looks_like_base64(text))


@settings(deadline=None)
@given(st.binary(max_size=9))
def test_base64_is_written_alike(odd: bytes) -> None:
    body = bytes(range(256)) * 100 + odd
    _, text = both(lambda: bodies.encode_base64(body))
    assert text == repr(b64encode(body).decode())
    assert bodies.decode_body(bodies.encode_base64(body), True) == body


def event_with(text: bytes) -> list[bytes]:
    body = json.dumps(LARGE_TEXT).encode()
    return [b'{"a": %b, "body": %b}' % (text, body), b'{"body": %b, "a": %b}' % (body, text)]


@settings(deadline=None)
@given(JSON, st.booleans())
def test_events_are_read_alike(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for event in event_with(text):
        kind, read = both(lambda event=event: unmarshal(event, "application/json"))
        assert (kind, read) == (dict, repr(json.loads(event)))
        both(lambda event=event: values.decode(event))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_events_with_unusual_json_are_read_alike(text: bytes) -> None:
    for event in [*event_with(text), text * (large_json.LARGE // len(text) + 1 if text else 1)]:
        kind, _ = both(lambda event=event: unmarshal(event, "application/json"))
        assert kind in (dict, TypedError)
        both(lambda event=event: values.decode(event))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_events_in_other_encodings_are_read_alike(encoding: str) -> None:
    event = json.dumps({"body": LARGE_TEXT}, ensure_ascii=False).encode(encoding)
    assert both(lambda: unmarshal(event, "application/json"))[0] is dict
    both(lambda: values.decode(event))


@settings(deadline=None)
@given(JSON, st.text(st.characters(), max_size=5))
@example(1, "\ud800")
def test_replies_are_written_alike(value: Any, odd: str) -> None:
    body = LARGE_TEXT + odd
    for reply in ({"a": value, "body": body}, {"body": body, "a": value}, {"body": body}):
        _, written = both(lambda reply=reply: to_json(reply))
        usual = json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace")
        assert written == repr(usual)
    both(lambda: values.encode(body))


@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_replies_with_unusual_members_are_written_alike(member: Any) -> None:
    body = LARGE_TEXT
    for reply in (
        {"a": member, "body": body, "b": 1},
        {"b": 1, Name.BODY: body, "a": member},
        {"body": body, 5: member},
    ):
        both(lambda reply=reply: marshal(reply))


@pytest.mark.parametrize("body", [Text(LARGE_TEXT), [LARGE_TEXT], LARGE_TEXT.encode()])
def test_other_large_bodies_are_written_alike(body: Any) -> None:
    both(lambda: marshal({"statusCode": 200, "body": body}))
    both(lambda: values.encode(body))


USE = """
import sys
import unigate

for name in {blocked!r}:
    sys.modules[name] = None
body = bytes(range(256)) * {count}

def echo(environ, start_response):
    start_response("200 OK", [("content-type", "image/png")])
    return [environ["wsgi.input"].read()]

from base64 import b64encode
from unigate.emulator import LocalContext
from unigate.lambda_runtime.marshalling import marshal, unmarshal
text = b64encode(body).decode()
event = {{"version": "2.0", "rawPath": "/", "headers": {{}}, "body": text, "isBase64Encoded": True,
         "requestContext": {{"http": {{"method": "POST"}}}}}}
event = unmarshal(marshal(event)[0], "application/json")
reply = unigate.wrap(echo).lambda_handler(event, LocalContext())
assert unmarshal(marshal(reply)[0], "application/json") == reply
assert reply["body"] == text
print([name for name in ("orjson", "pybase64") if sys.modules.get(name)])
"""


@pytest.mark.parametrize(
    ("count", "blocked", "imported"),
    [
        (1, [], []),
        (100, [], ["pybase64"]),
        (1000, [], ["orjson", "pybase64"]),
        (1000, ["orjson", "pybase64"], []),
    ],
    ids=["small", "large base64", "large JSON", "not installed"],
)
def test_the_packages_are_imported_for_the_first_large_body(
    count: int, blocked: list[str], imported: list[str]
) -> None:
    program = USE.format(count=count, blocked=blocked)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == (str(imported), "")
