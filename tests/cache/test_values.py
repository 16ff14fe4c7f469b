"""Values as JSON: round trips, and the path in the error for values that are not JSON."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unigate.cache.values import decode, encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@settings(deadline=None)
@given(JSON)
def test_json_comes_back(value: Any) -> None:
    assert decode(encode(value)) == value
    assert json.loads(encode(value)) == value


@settings(deadline=None)
@given(JSON)
def test_json_of_other_writers_is_read(value: Any) -> None:
    assert decode(json.dumps(value, indent=1).encode()) == value
    assert decode(b" \n" + json.dumps(value).encode() + b"\t ") == value


@pytest.mark.parametrize("data", [b"", b" ", b"1 2", b"1,", b"[1]]", b'"a"b', b"nul", b"\xff"])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


def test_text_is_utf_8_and_a_lone_surrogate_an_escape() -> None:
    assert encode({"ä": "日"}) == '{"ä":"日"}'.encode()
    assert encode("\ud800") == b'"\\ud800"'
    assert decode(encode(["ä\ud800"])) == ["ä\ud800"]


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((1, (2,)), [1, [2]]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[]), {"a": []}),
        (collections.namedtuple("Point", "x y")(1, 2), [1, 2]),
        ({Colour.RED: Colour.RED}, {"red": "red"}),
        ([enum.IntEnum("One", "ONE").ONE], [1]),
    ],
)
def test_subclasses_are_stored_as_their_json_types(value: Any, stored: Any) -> None:
    assert decode(encode(value)) == stored


class Item:
    pass


CYCLE: dict[str, Any] = {"a": [{}]}
CYCLE["a"][0]["again"] = CYCLE["a"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (Item(), "$ is a Item"),
        ({"items": [0, 1, 2, {"price": decimal.Decimal(1)}]}, "$.items[3].price is a Decimal"),
        ([datetime.date(2024, 1, 1)], "$[0] is a date"),
        ({"a": {1, 2}}, "$.a is a set"),
        ({"a": b"bytes"}, "$.a is a bytes"),
        ({"a b": {"": 1j}}, "$['a b'][''] is a complex"),
        ((1, (2, print)), "$[1][1] is a builtin_function_or_method"),
        ({"a": math.nan}, "$.a is nan"),
        ([1, math.inf], "$[1] is inf"),
        (-math.inf, "$ is -inf"),
        ({1: "a", "1": "b"}, "$ has a key of type int"),
        ({"a": [{"b": ({None: 1},)}]}, "$.a[0].b[0] has a key of type NoneType"),
        ({"a": {True: 1}}, "$.a has a key of type bool"),
        ({"a": {("x", "y"): 1}}, "$.a has a key of type tuple"),
        ({"a": {Colour.RED: {1.5: 1}}}, "$.a.red has a key of type float"),
        (CYCLE, "$.a[0].again contains itself"),
        (nested(100_000), "$ is nested too deeply"),
        ([10**10_000], "Exceeds the limit"),
        ({10**10_000: 1}, "$ has a key of type int"),
    ],
    ids=lambda argument: argument if isinstance(argument, str) else "",
)
def test_what_is_not_json_is_named(value: Any, fault: str) -> None:
    with pytest.raises(TypeError) as error:
        encode(value)
    assert str(error.value).startswith(fault)


def test_repeated_value_is_not_a_cycle() -> None:
    twice = [1]
    assert decode(encode({"a": twice, "b": [twice, twice]})) == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize("data", [b"", b"nul", b"\xff", b"[1,]", b"1 2"])
def test_garbage_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)
