"""docs/errors.md has every exception, and messages as they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import unigate
from unigate import errors

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "errors.md").read_text("utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_table_has_every_exception_in_the_order_of_the_module() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section("Exceptions"), re.MULTILINE)
    classes = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.UnigateError)
    ]
    assert ["UnigateError", *rows] == classes
    assert set(rows) - set(unigate.__all__) == {"FailedInvocation"}


def test_the_status_of_a_refused_event_is_the_exceptions() -> None:
    for name, status in re.findall(r"`(\w+)` \| inside; answered with status (4\d\d)", TEXT):
        assert getattr(errors, name).status == int(status)


def test_the_messages_are_in_the_sources() -> None:
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "unigate").rglob("*.py"))
    loading = re.findall(r"^\| `([^`]+)` \|", section("The application cannot be loaded"), re.M)
    extras = re.findall(r"^\| ([A-Z\w][^|`]+) \|", section("Extras"), re.M)
    quoted = re.findall(r"log has `([^`]+)`", TEXT)
    assert len(loading) == 6
    assert len(extras) == 7  # with the heading
    for message in (*loading, *extras[1:], *quoted):
        if "partially initialized" in message:  # Python's
            continue
        for part in re.split(r"'[\w ]+'", message):
            assert part in sources, message
