"""Two texts side by side, line by line, in n log n steps for n lines of any content.

The lines that occur once in both texts, as far as they are in the same order, belong together; so
do equal lines next to them. Source: Bram Cohen, "patience diff".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple


class Row(NamedTuple):
    """A line of one text next to its counterpart in another; None if it has none."""

    left: str | None
    right: str | None

    @property
    def differs(self) -> bool:
        return self.left != self.right


def align(left: Sequence[str], right: Sequence[str]) -> Iterator[Row]:
    """Yield all lines of two texts in order, next to each other if they belong together."""
    # Each pair of neighbours encloses lines without a counterpart in the other text.
    ends = (len(left), len(right))
    for (i, j), (i_end, j_end) in pairwise([(-1, -1), *_common(left, right), ends]):
        if i >= 0:
            yield Row(left[i], right[j])
        first, second = left[i + 1 : i_end], right[j + 1 : j_end]
        head = _equal(first, second)
        tail = _equal(first[head:][::-1], second[head:][::-1])
        middle = first[head : len(first) - tail], second[head : len(second) - tail]
        yield from map(Row, first[:head], second[:head])
        yield from map(Row._make, zip_longest(*middle))
        yield from map(Row, first[len(first) - tail :], second[len(second) - tail :])


def _common(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of lines that are unique in both texts, in an order that both have."""
    often, place = Counter(left), {line: j for j, line in enumerate(right)}
    once = {line for line, count in Counter(right).items() if count == 1 and often[line] == 1}
    pairs = [(i, place[line]) for i, line in enumerate(left) if line in once]
    # The longest increasing sequence of positions in the second text (patience sorting).
    tops: list[int] = []  # the last position of the best sequence of each length
    at: list[int] = []  # and its index in `pairs`
    before = [-1] * len(pairs)
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(tops, j)
        tops[length : length + 1] = [j]
        at[length : length + 1] = [index]
        before[index] = at[length - 1] if length else -1
    chosen = []
    index = at[-1] if at else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def _equal(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many lines at the start of two texts are equal."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
