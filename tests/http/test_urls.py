from __future__ import annotations

from typing import Any

import pytest

from unigate.http import (
    decode_path,
    encode_query,
    join_query,
    quote_bytes,
    quote_path,
    raw_path,
    remove_path_prefix,
    split_query,
)

PCHAR = "/az09:@!$&'()*+,;=-._~"


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/caf%C3%A9", b"/caf%C3%A9"),
        ("/a%2Fb", b"/a%2Fb"),
        ("/100%2525", b"/100%2525"),
        ("/x/", b"/x/"),
        ("//x", b"//x"),
        ("/%FF", b"/%FF"),
        ("", b"/"),
        ("x", b"/x"),
        ("/a b", b"/a%20b"),
        ("/a\tb\n%20", b"/a%09b%0A%20"),
        ("/caf\xe9%20/", b"/caf%C3%A9%20/"),
        ("/\ud800", b"/%3F"),
        (PCHAR, PCHAR.encode()),
    ],
)
def test_an_encoded_path_keeps_its_escapes(path: str, raw: bytes) -> None:
    assert raw_path(path) == raw


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/caf\xe9", b"/caf%C3%A9"),
        ("/100%25", b"/100%2525"),
        ("/a b?c#d", b"/a%20b%3Fc%23d"),
        ("//x/", b"//x/"),
        ("", b"/"),
        ("x", b"/x"),
        ("/\ud800", b"/%3F"),
        (b"/\xff", b"/%FF"),
        (PCHAR, PCHAR.encode()),
    ],
)
def test_a_decoded_path_is_quoted(path: str | bytes, raw: bytes) -> None:
    assert quote_path(path) == raw


def test_bytes_beyond_ascii_are_quoted_and_nothing_else() -> None:
    raw = bytes(range(128))
    assert quote_bytes(raw + b"%41\xc3\xa9\xff") == raw.decode() + "%41%C3%A9%FF"


@pytest.mark.parametrize("path", ["/", "/caf\xe9/", "/100%25", "//a b", "/\n", "/%2F"])
def test_quoting_is_undone_by_decoding_once(path: str) -> None:
    assert decode_path(quote_path(path)) == path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/caf%C3%A9", "/caf\xe9"),
        (b"/caf\xc3\xa9", "/caf\xe9"),
        (b"/a%2Fb", "/a/b"),
        (b"/100%2525", "/100%25"),
        (b"/a+b", "/a+b"),
        (b"/%FF", "/\ufffd"),
        (b"/\xff", "/\ufffd"),
        (b"/50%", "/50%"),
    ],
)
def test_a_path_is_decoded_once(raw: bytes, path: str) -> None:
    assert decode_path(raw) == path


@pytest.mark.parametrize(
    ("path", "prefix", "rest"),
    [
        ("/v1/users", "/v1", "/users"),
        ("/v1/", "/v1", "/"),
        ("/v1", "/v1", ""),
        ("/v10/users", "/v1", None),
        ("/v", "/v1", None),
        ("/users", "", "/users"),
        ("", "", ""),
        ("/a/b//c", "/a/b", "//c"),
    ],
)
def test_a_prefix_ends_at_a_slash(path: str, prefix: str, rest: str | None) -> None:
    assert remove_path_prefix(path, prefix) == rest


@pytest.mark.parametrize(
    ("values", "query"),
    [
        (None, ""),
        ({}, ""),
        ({"a": ["1", "2"], "b": "3"}, "a=1&a=2&b=3"),
        ({"q": "a+b"}, "q=a%2Bb"),
        ({"q": "a b"}, "q=a+b"),
        ({"r": ("1,2", "3")}, "r=1%2C2&r=3"),
        ({"\xe9&": "\xe9="}, "%C3%A9%26=%C3%A9%3D"),
        ({"flag": None, "k": "", "l": [None, ""]}, "flag=&k=&l=&l="),
        ({"n": 7, "s": "\ud800"}, "n=7&s=%3F"),
        ({"none": []}, ""),
    ],
)
def test_decoded_values_are_encoded(values: Any, query: str) -> None:
    assert encode_query(values) == query


@pytest.mark.parametrize(
    ("values", "query"),
    [
        (None, ""),
        ({"q": "a%2Bb+c", "e": ["%C3%A9", "1,2"]}, "q=a%2Bb+c&e=%C3%A9&e=1,2"),
        ({"a%20b": "x"}, "a%20b=x"),
        ({"flag": None, "k": "", "l": [None]}, "flag=&k=&l="),
    ],
)
def test_encoded_values_are_joined_verbatim(values: Any, query: str) -> None:
    assert join_query(values) == query


@pytest.mark.parametrize(
    ("query", "groups"),
    [
        ("", {}),
        ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        ("q=a%2Bb+c&t=x=y", {"q": ["a%2Bb+c"], "t": ["x=y"]}),
        ("flag&k=", {"flag": [""], "k": [""]}),
    ],
)
def test_a_query_is_grouped_without_decoding(query: str, groups: dict[str, list[str]]) -> None:
    assert split_query(query) == groups


def test_values_that_are_equal_but_look_different_are_not_mixed_up() -> None:
    assert encode_query({"a": 1}) == "a=1"
    assert encode_query({"a": True}) == "a=True"
    assert encode_query({"a": 1.0}) == "a=1.0"
