from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from unigate.errors import InvalidEvent
from unigate.http import Headers, bodiless, carries_body, decode_body, encode_body, is_text

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("body", [None, "", b"", [], {}])
@pytest.mark.parametrize("is_base64", [None, False, True])
def test_null_and_empty_bodies_are_empty(body: Any, is_base64: Any) -> None:
    assert decode_body(body, is_base64) == b""


def test_text_is_utf_8() -> None:
    assert decode_body("ol\xe1", False) == "ol\xe1".encode()
    assert decode_body("ol\xe1", None) == "ol\xe1".encode()
    assert decode_body("a\ud800b", False) == b"a?b"


def test_base64_is_decoded() -> None:
    assert decode_body(b64encode(PNG).decode(), True) == PNG


@pytest.mark.parametrize(
    "body", ["Hello from Lambda!", "YQ", "YQ=", "YQ==YQ==", "YQ==\n", "ol\xe1=", "===="]
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
