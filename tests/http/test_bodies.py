from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

import unigate
from unigate.errors import InvalidEvent
from unigate.http import (
    Headers,
    bodiless,
    carries_body,
    decode_body,
    encode_body,
    is_text,
    looks_like_base64,
    text_types,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("body", [None, "", b"", [], {}])
@pytest.mark.parametrize("is_base64", [None, False, True])
def test_null_and_empty_bodies_are_empty(body: Any, is_base64: Any) -> None:
    assert decode_body(body, is_base64) == b""


def test_text_is_utf_8() -> None:
    assert decode_body("ol\xe1", False) == "ol\xe1".encode()
    assert decode_body("ol\xe1", None) == "ol\xe1".encode()
    assert decode_body("a\ud800b", False) == b"a?b"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "usual": str,
    "lines": lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\r\n",
    "unpadded": lambda text: text.rstrip("="),
    "URL-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "URL-safe, unpadded, lines": lambda text: (
        text.replace("+", "-").replace("/", "_").rstrip("=") + "\n"
    ),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_base64_is_decoded_in_every_spelling(spell: Callable[[str], str]) -> None:
    for size in range(1, 260):
        body = bytes(range(256))[-size:] + b"\xfb\xff" * (size % 3)
        assert decode_body(spell(b64encode(body).decode()), True) == body


def test_only_usual_base64_looks_like_base64() -> None:
    assert looks_like_base64("YQ==")
    for text in ("", "YQ", "YQ==\n", "Y-_8", "no base64", "ol\xe1="):
        assert not looks_like_base64(text)


@pytest.mark.parametrize(
    "body", ["Hello from Lambda!", "Y", "YQ=", "YQ==YQ==", "YQ== ", "ol\xe1=", "====", "YQ==\nYQ=="]
)
def test_what_is_not_base64_is_refused_when_it_claims_to_be(body: str) -> None:
    with pytest.raises(InvalidEvent, match="not the base64 it claims"):
        decode_body(body, True)


@pytest.mark.parametrize("body", [{"a": 1}, ["a"], 7, b"bytes"])
@pytest.mark.parametrize("is_base64", [False, True])
def test_a_body_that_is_no_text_is_refused(body: Any, is_base64: bool) -> None:
    with pytest.raises(InvalidEvent, match=f"must be a string, got {type(body).__name__}"):
        decode_body(body, is_base64)


TEXT_OR_BASE64 = [
    ("text/plain", None, "ol\xe1".encode(), True),
    ("text/html; charset=iso-8859-1", None, b"\xe9", False),
    ("text/html; charset=iso-8859-1", None, b"e", True),
    ("text/plain; charset=utf-16", None, "hi".encode("utf-16"), False),
    ("text/plain; charset=UTF-16LE", None, b"h\0i\0", False),
    ("text/plain; charset=utf-32", None, b"h\0\0\0", False),
    ("text/plain", "gzip", b"plain ascii", False),
    ("text/plain", "Identity", b"plain ascii", True),
    ("application/problem+json", None, b"{}", True),
    ("APPLICATION/JSON; charset=utf-8", None, b"{}", True),
    ("application/graphql-response+json", None, b"{}", True),
    ("application/x-ndjson", None, b"{}\n{}", True),
    ("application/x-www-form-urlencoded", None, b"a=1", True),
    ("application/atom+xml", None, b"<a/>", True),
    ("application/openapi+yaml", None, b"a: 1", True),
    ("image/svg+xml", None, b"<svg/>", True),
    ("application/vnd.oai.openapi;version=3.1", None, b"a: 1", True),
    ("application/json5", None, b"{a: 1}", True),
    ("application/sparql-query", None, b"ASK {}", True),
    ("application/sparql-results+xml", None, b"<a/>", True),
    ("application/csp-report", None, b"{}", True),
    ("application/dns-json", None, b"{}", True),
    ("application/vnd.apple.mpegurl", None, b"#EXTM3U", True),
    ("application/x-mpegURL", None, b"#EXTM3U", True),
    ("audio/mpegurl", None, b"#EXTM3U", True),
    ("application/x-sh", None, b"ls", True),
    ("application/geo+json-seq", None, b"\x1e{}\n", True),
    ("application/secevent+jwt", None, b"e30.e30.", True),
    ("application/dns-message", None, b"ascii", False),
    ("application/vnd.custom", None, b"ascii", False),
    ("application/vnd.custom; charset=utf-8", None, "ol\xe1".encode(), True),
    ("application/vnd.custom;charset=UTF-8", None, b"ascii", True),
    ('application/vnd.custom; v=1; Charset="iso-8859-1"', None, b"ascii", True),
    ("application/vnd.custom; charset=iso-8859-1", None, b"\xe9", False),
    ("application/vnd.custom; charset=utf-16", None, b"h\0i\0", False),
    ("application/vnd.custom; charset=", None, b"ascii", False),
    ("application/octet-stream; charset=binary", None, b"ascii", False),
    ("application/x-executable; charset=utf-8", "br", b"ascii", False),
    ("application/cbor-seq", None, b"ascii", False),
    ("application/vnd.sqlite3", None, b"ascii", False),
    ("application/postscript+zip", None, b"ascii", False),
    ("multipart/form-data; boundary=charset", None, b"ascii", False),
    ("image/png", None, PNG, False),
    ("image/x-ascii", None, b"ascii", False),
    ("application/octet-stream", None, b"ascii", False),
    ("application/octet-stream; name=text/foo", None, b"ascii", False),
    ("application/x-text/foo", None, b"ascii", False),
    ("application/json", None, b"\xff", False),
    (None, None, b"ascii", True),
    (None, None, PNG, False),
]


@pytest.mark.parametrize(("content_type", "encoding", "body", "text"), TEXT_OR_BASE64)
def test_a_body_is_text_only_where_that_is_safe(
    content_type: str | None, encoding: str | None, body: bytes, text: bool
) -> None:
    fields = {"X-Other": "1", "Content-Type": content_type, "Content-Encoding": encoding}
    expected = body.decode() if text else b64encode(body).decode()
    assert encode_body(Headers.from_map(fields), body) == (expected, not text)


@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
def test_an_empty_body_is_never_base64(content_type: str) -> None:
    headers = Headers([("content-type", content_type), ("content-encoding", "gzip")])
    assert encode_body(headers, b"") == ("", False)


def test_a_long_body_is_base64_without_line_breaks() -> None:
    body = bytes(range(256)) * 4
    written, is_base64 = encode_body(Headers(), body)
    assert is_base64
    assert "\n" not in written
    assert decode_body(written, True) == body


@pytest.mark.parametrize("content_type", ["", "text/csv", " text/plain ", "text/plain;charset=x"])
def test_text_types_are_text(content_type: str) -> None:
    assert is_text(content_type)


@pytest.mark.parametrize("content_type", ["font/woff2", "audio/json", "application", "+json/x"])
def test_other_types_are_not_text(content_type: str) -> None:
    assert not is_text(content_type)


def test_more_types_are_text_where_they_are_named() -> None:
    types = text_types(["application/vnd.My", "image/x-ascii"])
    for content_type in ("application/vnd.my", "APPLICATION/vnd.my; v=1", "image/x-ascii", ""):
        assert is_text(content_type, types)
        assert encode_body({"content-type": content_type}, b"ascii", types) == ("ascii", False)
        assert encode_body({"content-type": content_type}, PNG, types)[1]
    assert is_text("application/json", types)
    assert not is_text("application/vnd.my.other", types)
    assert not is_text("application/vnd.my; charset=utf-16", types)
    assert not is_text("application/vnd.my")


@pytest.mark.parametrize(
    "name", ["vnd.my", "", "application/", "/x", "a/b; q=1", "text/*", 7, None]
)
def test_a_text_type_is_a_media_type_alone(name: Any) -> None:
    with pytest.raises(ValueError, match=r"media types such as .*, got " + re.escape(repr(name))):
        text_types([name])


@pytest.mark.parametrize("value", ["application/x", "", b"application/x", 5, 1.5, True, object])
def test_text_types_are_a_list(value: Any) -> None:
    message = f"text_types must be a list of media types, got {value!r}."
    with pytest.raises(ValueError, match=re.escape(message)):
        unigate.wrap("main:app", text_types=value)


@pytest.mark.parametrize("none", [None, (), [], {}, iter(())])
def test_no_text_types_are_the_known_ones(none: Any) -> None:
    known = text_types(none)
    assert is_text("text/plain", known)
    assert not is_text("application/x", known)


@pytest.mark.parametrize(
    ("status", "without"),
    [(100, True), (101, True), (199, True), (200, False), (204, True), (205, False), (299, False)]
    + [(304, True), (404, False)],
)
def test_some_statuses_have_no_body(status: int, without: bool) -> None:
    assert bodiless(status) is without


@pytest.mark.parametrize(
    ("method", "status", "carries", "length"),
    [
        ("GET", 200, True, "3"),
        ("HEAD", 200, False, "3"),
        ("GET", 204, False, None),
        ("HEAD", 304, False, None),
    ],
)
def test_only_the_answer_to_head_has_a_length_without_a_body(
    method: str, status: int, carries: bool, length: str | None
) -> None:
    headers = Headers([("content-length", "3")])
    assert carries_body(method, status, headers) is carries
    assert headers.get("content-length") == length
