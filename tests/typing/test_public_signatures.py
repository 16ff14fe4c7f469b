"""Public signatures say what they take and return."""

from __future__ import annotations

from tests.typing.public_signatures import annotations, is_any


def test_few_public_annotations_have_any() -> None:
    rows = list(annotations())
    assert len(rows) > 400
    found = [row for row in rows if is_any(row[2])]
    # Values of JSON, what platforms pass and take, and the arguments of a call of the gateway.
    assert len(found) / len(rows) < 0.08, found
