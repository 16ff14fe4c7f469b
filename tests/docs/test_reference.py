"""The reference names every argument, variable and setting that the code reads."""

from __future__ import annotations

import inspect
import re

import unigate

from .pages import DOCS, ROOT


def test_every_argument_of_wrap_is_named() -> None:
    page = (DOCS / "reference/arguments.md").read_text("utf-8")
    parameters = inspect.signature(unigate.wrap).parameters
    names = set(parameters) - {"application", "more", "unknown"}
    assert [name for name in names if f"`{name}=" not in page and f" `{name}=" not in page] == []


def test_every_variable_is_named() -> None:
    page = (DOCS / "reference/environment.md").read_text("utf-8")
    read = set()
    for file in (ROOT / "unigate").rglob("*.py"):
        read |= set(re.findall(r'"(UNIGATE_[A-Z_]+)"', file.read_text("utf-8")))
    named = {name for name in read if not name.startswith("UNIGATE_DEV_")}
    assert {name for name in named if f"`{name}`" not in page} == set()
    assert named
