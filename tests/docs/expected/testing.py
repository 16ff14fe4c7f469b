"""The tests of the page pass."""

from __future__ import annotations

from block_1 import test_home, test_user
from block_2 import test_on_each_host
from block_3 import (
    test_a_visitor,
    test_a_visitor_behind_a_proxy,
    test_a_visitor_from_france_behind_a_cdn,
)
from block_4 import test_event

__all__ = [
    "test_a_visitor",
    "test_a_visitor_behind_a_proxy",
    "test_a_visitor_from_france_behind_a_cdn",
    "test_event",
    "test_home",
    "test_on_each_host",
    "test_user",
]
