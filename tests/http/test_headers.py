from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unigate.http import (
    HOP_BY_HOP,
    Headers,
    forwarded_peer,
    latin1,
    response_headers,
    single_value_map,
    split_host,
)


def test_fields_keep_their_order_and_repeats() -> None:
    pairs = [("vary", "accept"), ("x-a", "1"), ("vary", "cookie")]
    headers = Headers(pairs)
    assert list(headers) == pairs
    assert len(headers) == 3
    assert headers.getlist("vary") == ["accept", "cookie"]


def test_names_are_found_in_any_case() -> None:
    headers = Headers([("Content-TYPE", "text/plain")])
    assert headers.pairs == [("content-type", "text/plain")]
    assert headers["CONTENT-type"] == headers.get("Content-Type") == "text/plain"
    assert headers.getlist("CONTENT-TYPE") == ["text/plain"]
    assert "Content-Type" in headers


def test_an_absent_field_is_absent() -> None:
    headers = Headers()
    assert headers.get("x-a") is None
    assert headers.get("x-a", "none") == "none"
    assert headers.getlist("x-a") == []
    assert "x-a" not in headers
    assert 3 not in headers
    with pytest.raises(KeyError, match="X-A"):
        headers["X-A"]


def test_an_empty_value_is_present() -> None:
    headers = Headers([("x-a", "")])
    assert "x-a" in headers
    assert headers["x-a"] == headers.get("x-a", "none") == ""


def test_repeats_are_joined_with_commas_and_cookies_with_semicolons() -> None:
    headers = Headers([("accept", "a"), ("cookie", "x=1"), ("Accept", "b"), ("Cookie", "y=2")])
    assert headers["accept"] == "a, b"
    assert headers["cookie"] == "x=1; y=2"
    assert headers.joined() == {"accept": "a, b", "cookie": "x=1; y=2"}
    assert headers.grouped() == {"accept": ["a", "b"], "cookie": ["x=1", "y=2"]}


def test_a_hundred_and_one_repeats_survive() -> None:
    values = [str(number) for number in range(101)]
    headers = Headers(("x-n", value) for value in values)
    assert headers.grouped() == {"x-n": values}


def test_set_replaces_every_value_at_the_place_of_the_first() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")])
    headers.set("B", "9")
    assert headers.pairs == [("a", "1"), ("b", "9"), ("c", "3")]
    headers.set("D", "5")
    assert headers.pairs[-1] == ("d", "5")


def test_add_keeps_what_is_there() -> None:
    headers = Headers([("a", "1"), ("b", "2")])
    assert headers.joined() == {"a": "1", "b": "2"}
    headers.add("A", "3")
    assert headers.pairs == [("a", "1"), ("b", "2"), ("a", "3")]
    assert headers.joined() == {"a": "1, 3", "b": "2"}


def test_remove_takes_every_value_and_nothing_else() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("A", "3")])
    headers.remove("A")
    headers.remove("never-there")
    assert headers.pairs == [("b", "2")]


def test_several_cookie_fields_are_joined_at_the_place_of_the_first() -> None:
    headers = Headers([("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("x-a", "2")])
    headers.join_cookies()
    assert headers.pairs == [("cookie", "a=1; b=2"), ("x-a", "1"), ("x-a", "2")]


def test_a_copy_is_independent() -> None:
    first = Headers([("a", "1")])
    second = Headers(first)
    second.set("a", "2")
    assert first["a"] == "1"


def test_equality_is_of_the_fields_in_order() -> None:
    assert Headers([("A", "1"), ("b", "2")]) == Headers([("a", "1"), ("B", "2")])
    assert Headers([("a", "1"), ("b", "2")]) != Headers([("b", "2"), ("a", "1")])
    assert Headers([("a", "1")]) != [("a", "1")]
    assert repr(Headers([("A", "1")])) == "Headers([('a', '1')])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Headers())


@pytest.mark.parametrize("fields", [None, {}])
def test_no_map_gives_no_fields(fields: dict[str, str] | None) -> None:
    assert Headers.from_map(fields).pairs == []


def multi(fields: dict[str, Any]) -> Headers:
    return Headers.from_maps(fields, {"x-z": "9"})


@pytest.mark.parametrize("read", [Headers.from_map, multi])
def test_a_map_may_hold_values_lists_and_nulls(read: Callable[..., Headers]) -> None:
    fields = {"X-A": "1", "X-B": ["2", "3"], "X-C": None, "X-D": ("4",), "X-E": 5, "X-F": [None]}
    assert read(fields).pairs == [
        ("x-a", "1"),
        ("x-b", "2"),
        ("x-b", "3"),
        ("x-d", "4"),
        ("x-e", "5"),
    ]


@pytest.mark.parametrize("read", [Headers.from_map, multi])
@pytest.mark.parametrize(
    "fields",
    [
        {"X-A": "1", "X-B": "2"},
        {"x-a": "1", "x-b": "2"},
        {"X-A": ["1"], "X-B": ["2"]},
        {"X-A": ["1"], "X-B": "2"},
        {"X-A": "1", "X-B": ["2"]},
        {"X-A": ["1"], "X-B": 2},
        {"X-A": "1", "X-B": 2},
    ],
)
def test_maps_that_say_the_same_are_read_the_same(
    fields: dict[str, Any], read: Callable[..., Headers]
) -> None:
    headers = read(fields)
    assert headers == Headers([("x-a", "1"), ("x-b", "2")])
    assert headers.joined() == {"x-a": "1", "x-b": "2"}
    assert headers.grouped() == {"x-a": ["1"], "x-b": ["2"]}


@pytest.mark.parametrize("read", [Headers.from_map, multi])
def test_names_of_a_map_that_differ_only_in_case_are_repeats(read: Callable[..., Headers]) -> None:
    expected = [("x-a", "1"), ("x-b", "2"), ("x-a", "3")]
    assert read({"X-A": "1", "x-b": "2", "x-a": "3"}).pairs == expected
    assert read({"X-A": ["1"], "x-b": ["2"], "x-a": ["3"]}).pairs == expected


def test_of_two_maps_the_one_with_lists_counts_unless_it_is_empty() -> None:
    single = {"X-A": "1"}
    assert Headers.from_maps({"X-A": ["1", "2"]}, single).pairs == [("x-a", "1"), ("x-a", "2")]
    assert Headers.from_maps({"X-A": ["34"]}, single).pairs == [("x-a", "34")]
    assert Headers.from_maps({}, single).pairs == [("x-a", "1")]
    assert Headers.from_maps({}, None).pairs == []
    assert Headers.from_maps(None, single).pairs == [("x-a", "1")]
    assert Headers.from_maps("no map", single).pairs == [("x-a", "1")]


def test_changing_the_fields_leaves_the_map_alone() -> None:
    fields = {"x-a": "1", "x-b": "2"}
    headers = Headers.from_map(fields)
    headers.joined()["x-c"] = "4"
    headers.grouped()["x-a"].append("5")
    assert headers.joined() == fields == {"x-a": "1", "x-b": "2"}
    headers.set("x-a", "3")
    headers.remove("x-b")
    assert headers.pairs == [("x-a", "3")]
    assert fields == {"x-a": "1", "x-b": "2"}


def test_a_cookie_given_apart_is_no_part_of_the_map() -> None:
    fields = {"x-a": "1"}
    for _ in range(2):
        headers = Headers.from_map(fields, "a=1")
        assert headers.pairs == [("x-a", "1"), ("cookie", "a=1")]
        assert fields == {"x-a": "1"}
    assert Headers.from_map(fields, "caf\xe9")["cookie"] == "caf\xe9"


@pytest.mark.parametrize("read", [Headers.from_map, multi])
def test_values_of_a_map_are_latin_1(read: Callable[..., Headers]) -> None:
    assert read({"x-a": ["caf\xe9"]}).single is None
    headers = read({"x-a": "caf\xe9", "x-b": ["na\xefve", "\u20ac"]})
    assert headers.getlist("x-a") == ["caf\xe9"]
    assert headers.getlist("x-b") == ["na\xefve", "\xe2\x82\xac"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("caf\xe9", "caf\xe9"),
        ("\u20ac", "\xe2\x82\xac"),
        ("\ud800", "?"),
        (7, "7"),
    ],
)
def test_any_value_is_shown_as_latin_1(value: object, shown: str) -> None:
    assert latin1(value) == shown


def test_cookies_of_a_map_of_single_values_go_under_spellings_of_one_name() -> None:
    cookies = [f"c{number}=1" for number in range(2**9)]
    pairs = [("vary", "accept"), ("vary", "cookie"), *(("set-cookie", one) for one in cookies)]
    fields = single_value_map(Headers(pairs))
    assert fields.pop("vary") == "accept, cookie"
    assert fields["set-cookie"] == "c0=1"
    assert {name.lower() for name in fields} == {"set-cookie"}
    assert list(fields.values()) == cookies


def test_a_map_of_single_values_without_cookies_has_no_name_for_them() -> None:
    assert single_value_map(Headers([("vary", "a"), ("vary", "b")])) == {"vary": "a, b"}


def test_an_applications_fields_are_kept_in_order() -> None:
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT")]
    headers = response_headers([("Vary", "accept"), *cookies, ("VARY", "cookie")])
    assert headers.pairs == [
        ("vary", "accept"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT"),
        ("vary", "cookie"),
    ]


def test_an_application_may_invent_names_without_end() -> None:
    fields = [(f"X-{number}", "1") for number in range(1100)]
    for _ in range(2):
        assert response_headers(fields).pairs == [(name.lower(), "1") for name, _ in fields]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_fields_are_dropped(name: str) -> None:
    assert response_headers([(name.title(), "x"), ("x-a", "1")]).pairs == [("x-a", "1")]


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\r\nSet-Cookie: x=1", "a\0b", "\n"])
def test_line_breaks_and_nul_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="'X-A' must not contain a line break or NUL"):
        response_headers([("X-A", value)])


@pytest.mark.parametrize("name", ["x\rb", "x\nb", "x\r\nSet-Cookie: x=1", "x\0b"])
def test_line_breaks_and_nul_in_a_name_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="A header name must be a token"):
        response_headers([(name, "1")])


@pytest.mark.parametrize("value", ["a\tb", "caf\xe9", "\x80"])
def test_other_values_that_are_not_printable_ascii_pass(value: str) -> None:
    assert response_headers([("x-a", value)]).pairs == [("x-a", value)]


def test_an_applications_value_beyond_latin_1_is_sent_as_utf_8() -> None:
    assert response_headers([("x-a", "\u20ac")])["x-a"] == "\xe2\x82\xac"


@pytest.mark.parametrize("field", [("x-a", 3), ("x-a", None), ("x-a", b"1"), (b"x-a", "1")])
def test_fields_that_are_not_text_are_refused(field: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match="must be str, got"):
        response_headers([field])


@pytest.mark.parametrize(
    ("value", "scheme", "address"),
    [
        ("example.org", "https", ("example.org", 443)),
        ("example.org", "http", ("example.org", 80)),
        ("example.org", "ws", ("example.org", 80)),
        ("example.org", "wss", ("example.org", 443)),
        ("lb:8080", "https", ("lb", 8080)),
        ("lb:", "http", ("lb", 80)),
        ("lb:0", "http", ("lb", 80)),
        ("lb:port", "https", ("lb", 443)),
        ("lb:123456", "https", ("lb", 443)),
        ("lb:\u0663", "https", ("lb", 443)),
        ("[::1]:3000", "http", ("::1", 3000)),
        ("[::1]", "http", ("::1", 80)),
        ("[::443]", "http", ("::443", 80)),
        ("::1", "https", ("::1", 443)),
        ("2001:db8::7", "https", ("2001:db8::7", 443)),
    ],
)
def test_a_host_is_split_into_name_and_port(
    value: str, scheme: str, address: tuple[str, int]
) -> None:
    assert split_host(value, scheme) == address


@pytest.mark.parametrize(
    ("values", "peer"),
    [
        ([], None),
        ([""], None),
        (["203.0.113.1, "], None),
        (["203.0.113.1"], ("203.0.113.1", 0)),
        (["198.51.100.1,198.51.100.2,203.0.113.1"], ("203.0.113.1", 0)),
        (["198.51.100.1", "203.0.113.1"], ("203.0.113.1", 0)),
        (["198.51.100.1, 203.0.113.1:51000"], ("203.0.113.1", 51000)),
        (["203.0.113.1:443"], ("203.0.113.1", 443)),
        (["203.0.113.1:"], ("203.0.113.1", 0)),
        (["2001:db8::7"], ("2001:db8::7", 0)),
        (["[2001:db8::7]"], ("2001:db8::7", 0)),
        (["[2001:db8::7]:51000"], ("2001:db8::7", 51000)),
        (["[2001:db8::443]"], ("2001:db8::443", 0)),
    ],
)
def test_only_the_last_forwarded_peer_counts(
    values: list[str], peer: tuple[str, int] | None
) -> None:
    assert forwarded_peer(Headers(("X-Forwarded-For", value) for value in values)) == peer


def test_fields_beyond_ascii_are_never_taken_for_plain_ones() -> None:
    built = Headers([("x-a", "caf\xe9")])
    changed = Headers([("x-a", "plain")])
    changed.set("X-A", "caf\xe9")
    for headers in (built, changed, response_headers([("X-A", "caf\xe9")])):
        assert headers.single is None
        assert (headers["x-a"], headers.getlist("X-A"), "x-a" in headers) == (
            "caf\xe9",
            ["caf\xe9"],
            True,
        )
        assert headers.joined() == {"x-a": "caf\xe9"}


def test_plain_fields_are_found_in_any_case() -> None:
    headers = Headers([("X-A", "1"), ("X-B", "")])
    assert headers.single == {"x-a": "1", "x-b": ""}
    assert (headers.get("X-A"), headers.getlist("X-B"), headers.getlist("x-c")) == ("1", [""], [])
    assert headers.get("x-c", "none") == "none"


REPEATED = [("cookie", "a=1"), ("vary", "a"), ("x-a", "caf\xe9"), ("cookie", "b=2"), ("vary", "b")]


def test_a_map_of_the_fields_joins_repeats() -> None:
    plain, repeated = Headers([("X-A", "1"), ("x-b", "")]), Headers(REPEATED)
    assert plain.as_map() is plain.as_map("|") is plain.single
    assert repeated.as_map() == repeated.joined()
    assert repeated.as_map(",") == {"cookie": "a=1; b=2", "vary": "a,b", "x-a": "caf\xe9"}


def test_a_map_of_last_values_leaves_earlier_ones_out() -> None:
    plain = Headers([("X-A", "1"), ("x-b", "")])
    assert plain.last_values() is plain.single
    assert Headers(REPEATED).last_values() == {"cookie": "b=2", "vary": "b", "x-a": "caf\xe9"}


def test_fields_are_encoded_in_order_as_latin_1() -> None:
    assert Headers([("X-A", "1"), ("x-b", "")]).encoded() == [(b"x-a", b"1"), (b"x-b", b"")]
    assert Headers(REPEATED).encoded() == [
        (name.encode(), value.encode("latin-1")) for name, value in REPEATED
    ]
    assert Headers([("x-\u20ac", "1")]).encoded() == [(b"x-?", b"1")]
    assert Headers([("x-\u20ac", "\xe9")]).encoded() == [(b"x-?", b"\xe9")]
    invented = [(f"x-{number}", "1") for number in range(1100)]
    for fields in (invented, [("x-another", "1")], invented):
        assert Headers(fields).encoded() == [(name.encode(), b"1") for name, _ in fields]


def test_fields_are_a_map_unless_one_is_repeated_or_not_ascii() -> None:
    assert Headers([("X-A", "1"), ("x-b", "2")]).single == {"x-a": "1", "x-b": "2"}
    assert Headers(REPEATED).single is None
    assert Headers([("x-a", "\xe9")]).single is None


def test_a_map_is_read_by_its_items() -> None:
    assert Headers({"AB": "x", "c": "d"}).pairs == [("ab", "x"), ("c", "d")]
