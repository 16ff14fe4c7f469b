"""The JSON schema of [tool.unigate], against the settings that commands read."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from unigate.cli.project import schema
from unigate.cli.project.settings import read_settings

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = json.loads(Path(schema.__file__).with_name("schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SHIPPED)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

VALID = [
    {},
    {"app": "main:app", "memory": 1, "exclude": [], "environment": {"A_1": ""}},
    {"functions": {"/a/{b}": {"timeout": 3}}, "aws": {"trigger": "alb"}},
]
INVALID = [
    {"memry": 1},
    {"memory": "1"},
    {"memory": 0},
    {"exclude": "docs"},
    {"exclude": [1]},
    {"environment": {"A-B": ""}},
    {"environment": {"A": 1}},
    {"functions": {"/a": {"app": "main:app"}}},
    {"functions": []},
    {"aws": {"trigger": "lattice"}},
    {"aws": {"memory": 1}},
]


def test_the_schema_and_the_page_are_those_of_the_settings() -> None:
    script = runpy.run_path(str(ROOT / "docs/reference/settings.py"))
    assert script["SCHEMA"].read_text("utf-8") == script["schema_text"](), "run: make settings"
    assert script["PAGE"].read_text("utf-8") == script["page_text"](), "run: make settings"


def test_the_schema_is_one_of_draft_7() -> None:
    jsonschema.Draft7Validator.check_schema(SHIPPED)


@pytest.mark.parametrize("table", VALID + INVALID)
def test_the_schema_accepts_what_the_commands_accept(table: dict[str, Any]) -> None:
    try:
        read_settings({"tool": {"unigate": table}})
        accepted = True
    except click.ClickException:
        accepted = False
    assert accepted == (table in VALID)
    assert VALIDATOR.is_valid(table) == accepted


def _described(table: Any, place: str) -> Iterator[tuple[str, bool]]:
    for key, value in table.get("properties", {}).items():
        inner = bool(value.get("properties"))
        yield f"{place}.{key}", inner or value.get("description", "").endswith(".")
        yield from _described(value, f"{place}.{key}")


def test_each_setting_has_a_description() -> None:
    assert [
        place for place, described in _described(SHIPPED, "tool.unigate") if not described
    ] == []


def _read_names() -> Iterator[str]:
    """Yield the names under which modules of the command line read the settings."""
    for file in (ROOT / "unigate/cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case (
                    ast.Call(
                        func=ast.Attribute(value=ast.Attribute(attr="settings"), attr="get"),
                        args=[ast.Constant(value=str(name)), *_],
                    )
                    | ast.Subscript(
                        value=ast.Attribute(attr="settings"), slice=ast.Constant(value=str(name))
                    )
                    | ast.Compare(
                        left=ast.Constant(value=str(name)),
                        comparators=[ast.Attribute(attr="settings")],
                    )
                ):
                    yield name


def test_the_schema_has_each_setting_that_a_command_reads() -> None:
    names = set(_read_names())
    assert {"app", "environment", "functions", "aws", "vercel"} <= names
    assert names <= SHIPPED["properties"].keys()


def _keys(table: Any) -> Iterator[str]:
    for key, value in table.get("properties", {}).items():
        yield key
        yield from _keys(value)


def test_a_command_reads_each_setting_of_the_schema() -> None:
    sources = [
        file.read_text("utf-8")
        for file in (ROOT / "unigate/cli").rglob("*.py")
        if file.name not in ("settings.py", "schema.py")
    ]
    unread = [key for key in _keys(SHIPPED) if not any(f'"{key}"' in source for source in sources)]
    assert unread == []


def _examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for page in PAGES:
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            if "[tool.unigate" in block:
                yield page.name, tomllib.loads(block)["tool"]["unigate"]


def test_the_examples_of_the_documentation_are_valid() -> None:
    examples = list(_examples())
    assert "settings.md" in {name for name, _ in examples}
    for name, table in examples:
        problems = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(table)]
        assert problems == [], name
        read_settings({"tool": {"unigate": table}})


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [("memory = 1", 0, "Valid file"), ("memory = 'x'", 1, "`tool.unigate.memory` must be integer")],
)
def test_validate_pyproject_finds_the_schema(
    tmp_path: Path, text: str, code: int, message: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.unigate]\n{text}\n")
    command = [Path(sys.executable).with_name("validate-pyproject"), "pyproject.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
