from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS
from unigate import Request
from unigate.http import Headers, decode_path, quote_path, raw_path
from unigate.memo import LONGEST, Memo


def test_a_result_is_made_once() -> None:
    calls: list[str] = []

    def upper(text: str) -> str:
        calls.append(text)
        return text.upper()

    memo = Memo(upper)
    assert [memo.get("a") or memo.learn("a") for _ in range(3)] == ["A", "A", "A"]
    assert calls == ["a"]


def test_arguments_without_end_do_not_fill_it() -> None:
    memo = Memo(str, most=10)
    for number in range(1000):
        assert memo.learn(number) == str(number)
        assert len(memo.known) <= 10
    assert memo.get(999) == "999"


@pytest.mark.parametrize(
    "argument",
    [
        "a" * (LONGEST + 1),
        b"a" * (LONGEST + 1),
        ("a" * LONGEST, "b"),  # all members count
        ("a", ("b", "c" * LONGEST)),
        (None, 1, "a" * (LONGEST + 1)),
        pytest.param(1 << (8 * LONGEST + 8), id="a long number"),
        frozenset({"a"}),  # of unknown size
    ],
)
def test_long_arguments_are_not_remembered(argument: Any) -> None:
    memo: Memo[Any, int] = Memo(lambda argument: 7)
    assert memo.learn(argument) == 7
    assert not memo.known


@pytest.mark.parametrize("argument", ["a" * LONGEST, b"a" * LONGEST, ("a", 1, None, True, 0.5)])
def test_short_arguments_are_remembered(argument: Any) -> None:
    memo: Memo[Any, int] = Memo(lambda argument: 7)
    assert memo.learn(argument) == memo.get(argument) == 7


@pytest.mark.parametrize("result", ["a" * (LONGEST + 1), ("a", b"b" * LONGEST), ["a"]])
def test_results_that_are_longer_than_their_argument_are_not_remembered(result: Any) -> None:
    memo: Memo[str, Any] = Memo(lambda argument: result)
    assert memo.learn("a") is result
    assert not memo.known


# --- what clients can fill -----------------------------------------------------------------------

PIECE = 2**15
ROUNDS = 10


def unique(number: int, size: int = PIECE) -> str:
    """Return a text of its own for each number, in ASCII letters and digits."""
    return f"{number:06}x" * (size // 7)


def posted(number: int) -> Request:
    return Request("POST", b"/", body=f"field={unique(number)}".encode(), headers=FORM)


def pathed(number: int) -> Request:
    return Request("GET", f"/{unique(number)}".encode())


def quoted(number: int) -> Request:
    return Request("GET", f"/{unique(number)}%20%C3%A9".encode())


def queried(number: int) -> Request:
    return Request("GET", query_string=f"{unique(number)}=1&a={unique(number)}".encode())


def named(number: int) -> Request:
    return Request("GET", headers=Headers([("host", "x"), (unique(number), "1")]))


def in_capitals(number: int) -> Request:
    return Request("GET", headers=Headers([("host", "x"), (unique(number).upper(), "1")]))


def many_names(number: int) -> Request:
    """Of 12,000 names in all, a memory holds 1,000."""
    names = [(f"x-{number}-{index}-{'n' * 200}", "1") for index in range(1200)]
    return Request("GET", headers=Headers([("host", "x"), *names]))


def hosted(number: int) -> Request:
    return Request("GET", headers=Headers([("host", unique(number))]))


def typed(number: int) -> Request:
    kind = [("host", "x"), ("content-type", f"text/{unique(number)}")]
    return Request("POST", headers=Headers(kind), body=b"a")


def from_afar(number: int) -> Request:
    return Request("GET", client=("1" * PIECE + str(number), 1))


def at_a_port(number: int) -> Request:
    return Request("GET", headers=Headers([("host", "x"), ("x-forwarded-port", unique(number))]))


def with_method(number: int) -> Request:
    return Request(unique(number))


FORM = Headers([("host", "x"), ("content-type", "application/x-www-form-urlencoded")])
FLOODS = [
    *(posted, pathed, quoted, queried, named, in_capitals, hosted, typed, from_afar),
    *(at_a_port, with_method),
]


def echo(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Answer with the content type and the path that the client chose."""
    request = unigate.current_request()
    kind = environ.get("CONTENT_TYPE") or "text/plain"
    start_response("200 OK", [("content-type", kind), ("x-length", str(len(request.path)))])
    return iter([b"answer"])


numbers = count()  # no test sends what an earlier one has sent


def kept(flood: Callable[[int], Any]) -> int:
    """Return how many bytes remain allocated after a flood, besides what its start needs."""
    for number in islice(numbers, 3):
        flood(number)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in islice(numbers, ROUNDS):
            flood(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def least_kept(flood: Callable[[int], Any]) -> int:
    """Return the lesser of two measurements: tables of Python or coverage may grow in one."""
    return min(kept(flood), kept(flood))


def test_a_flood_is_noticed() -> None:
    held: list[str] = []
    assert kept(lambda number: held.append(unique(number))) > (ROUNDS - 1) * PIECE


@pytest.mark.parametrize("flood", FLOODS)
def test_long_values_of_a_client_are_forgotten(flood: Callable[[int], Request]) -> None:
    app = unigate.wrap(echo, interface="wsgi")
    # Python remembers the warning about the method of the validator around "wsgi".
    hosts = [ask for name, ask in HOSTS.items() if (flood, name) != (with_method, "wsgi")]

    def send(number: int) -> None:
        for ask in hosts:
            with suppress(unigate.UnknownEvent, ValueError):  # for what a host cannot write
                ask(app, flood(number))

    assert least_kept(send) < 6 * PIECE


@pytest.mark.parametrize("about", ["__ow", "http"])
def test_long_parameters_that_a_platform_merges_are_forgotten(about: str) -> None:
    app = unigate.wrap(echo, interface="wsgi")
    fields = {"host": "x", "content-type": "application/x-www-form-urlencoded"}
    members: dict[str, Any] = {"http": {"method": "POST", "path": "/", "headers": fields}}
    if about == "__ow":
        members = {"__ow_method": "post", "__ow_path": "/", "__ow_headers": fields}

    def send(number: int) -> None:
        app({**members, "field": unique(number), unique(number): "value"}, None)

    assert least_kept(send) < 4 * PIECE


@pytest.mark.parametrize(
    "function", [raw_path, quote_path, lambda text: decode_path(text.encode())]
)
def test_long_paths_are_forgotten(function: Callable[[str], object]) -> None:
    assert kept(lambda number: function("/" + unique(number))) < 4 * PIECE


def test_names_of_header_fields_are_bounded_in_number() -> None:
    app = unigate.wrap(echo, interface="wsgi")
    assert kept(lambda number: [ask(app, many_names(number)) for ask in HOSTS.values()]) < 2**20


def test_many_names_of_header_fields_are_read_as_few_are() -> None:
    for number in (1, 900, 1200):
        few = {f"X-{number}-{index}": "1" for index in range(number)}
        for headers in (Headers.from_map(few), Headers.from_maps({n: ["1"] for n in few}, None)):
            assert len(headers) == number
            assert headers.encoded()[0] == (f"x-{number}-0".encode(), b"1")
