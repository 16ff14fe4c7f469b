"""Write `unigate/cli/project/schema.json` and `settings.md` from the definition of the settings.

Run as `make settings`; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unigate.cli.project.schema import tool_schema

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parents[1] / "unigate" / "cli" / "project" / "schema.json"
PAGE = HERE / "settings.md"
MARK = "<!-- The tables are written by `make settings`. -->\n"


def schema_text() -> str:
    """Return the text of schema.json."""
    return json.dumps(tool_schema(), indent=2, ensure_ascii=False) + "\n"


def page_text() -> str:
    """Return the text of settings.md: what stands above its mark, then the tables."""
    head = PAGE.read_text("utf-8").partition(MARK)[0]
    return head + MARK + "\n" + "\n\n".join(_tables("tool.unigate", tool_schema())) + "\n"


def _tables(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of a schema's keys, then those of the tables in it."""
    rows = [f"## `[{name}]`", "", "| key | value | what it does |", "| --- | --- | --- |"]
    inner = []
    for key, value in schema["properties"].items():
        if any("description" in one for one in value.get("properties", {}).values()):
            inner += _tables(f"{name}.{key}", value)
        else:
            rows.append(f"| `{key}` | {_kind(value)} | {value['description']} |")
    yield "\n".join(rows)
    yield from inner


def _kind(schema: Mapping[str, Any]) -> str:
    """Return what a value must be, in words."""
    if "enum" in schema:
        return ", ".join(f'`"{value}"`' for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "$ref" in schema:
        return "a table"
    if schema["type"] == "array":
        return "a list of strings" if schema["items"].get("type") == "string" else "a list"
    if "maximum" in schema:
        return f"an integer from {schema['minimum']} to {schema['maximum']}"
    if schema["type"] == "object":
        keys = schema.get("properties")
        if keys:
            return f"a table with {', '.join(f'`{key}`' for key in keys)}"
        inner = schema.get("additionalProperties", {})
        if keys := inner.get("properties"):
            return f"tables with {', '.join(f'`{key}`' for key in keys)}"
        return "a table of text" if inner.get("type") == "string" else "a table"
    return {"integer": "a positive integer", "string": "text", "boolean": "`true` or `false`"}[
        schema["type"]
    ]


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), "utf-8")
    PAGE.write_text(page_text(), "utf-8")
