"""ARCHITECTURE.md against the code: its tree, its layers, and the files and names that it cites."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("unigate", "contrib/flask_unigate", "contrib/django_unigate")

PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
TREE = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CITED = set(re.findall(r"`([^`\n]+)`", TREE.sub("", PAGE)))
FILE = re.compile(r"[\w./-]+(\.(py|toml|md)|/)")
NAME = re.compile(r"[A-Za-z]\w*(\.\w+)+")


def entries() -> Iterator[str]:
    """Yield the path of each entry of the tree: ".py" files, and folders with a "/" at the end.

    A line has names, separated by ", ", and a description after two spaces or more.
    """
    (tree,) = TREE.findall(PAGE)
    folders: list[str] = []
    for line in tree.splitlines():
        names = re.split(r" {2,}", line.strip())[0].split(", ")
        del folders[(len(line) - len(line.lstrip())) // 2 :]
        for name in names:
            assert name.endswith((".py", "/")), line
            yield "".join([*folders, name])
        folders.append(names[-1])


def exists(path: str) -> bool:
    file = ROOT / path
    return file.is_dir() if path.endswith("/") else file.is_file()


def test_the_tree_has_every_module_and_every_package() -> None:
    listed = [Path(path) for path in entries()]
    in_tree = {path for entry in listed for path in (entry, *entry.parents)}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            path = file.parent if file.name == "__init__.py" else file
            assert path.relative_to(ROOT) in in_tree


def test_every_entry_of_the_tree_exists_and_is_there_once() -> None:
    paths = list(entries())
    assert len(set(paths)) == len(paths)
    assert [path for path in paths if not exists(path)] == []


def test_the_layers_are_those_of_the_import_contract() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {each["name"]: each for each in pyproject["tool"]["importlinter"]["contracts"]}
    levels = contracts["Imports point downwards only"]["layers"]
    section = PAGE.partition("\n## The layers\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section, re.MULTILINE)
    assert [set(re.findall(r"`(.+?)`", row)) for row in rows] == [
        {name.removeprefix("unigate.") for name in level.split(" | ")} for level in levels
    ]


def test_every_file_that_is_cited_exists() -> None:
    files = [text for text in CITED if FILE.fullmatch(text)]
    assert len(files) > 20
    for file in files:
        assert exists(file) or exists(f"unigate/{file}"), file


def test_every_name_that_is_cited_exists() -> None:
    names = [text for text in CITED if NAME.fullmatch(text) and not FILE.fullmatch(text)]
    assert len(names) > 50
    for name in names:
        first = name.partition(".")[0]
        resolve_name(name if first == "unigate" else f"unigate.{name}")
