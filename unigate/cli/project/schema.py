"""The JSON schema of [tool.unigate], made from the definition of the settings.

`schema.json` beside this module is the same, for editors. validate-pyproject finds `tool_schema`
through an entry point ("Developer guide", Plugins), and wants draft 7 and an "$id".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .aws_values import EVENT_PATTERN
from .setting_kinds import Anything, Either, Nested, Number, Setting, Some, Table, Text
from .settings import SETTINGS

_ID = "urn:unigate:settings"
_TYPES = {str: "string", int: "integer", bool: "boolean", dict: "object"}


def tool_schema(tool: str = "unigate") -> dict[str, Any]:
    """Return the schema of the table [tool.unigate].

    Args:
        tool: The name of the table, which validate-pyproject passes.
    """
    schema = _schema_of(SETTINGS)
    about = {"$id": _ID, "title": f"The settings of {tool}"}
    nested = {EVENT_PATTERN.name: _definition(EVENT_PATTERN)}
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    return {**draft, **about, **schema, "definitions": nested}


def _definition(kind: Nested) -> dict[str, Any]:
    either = [_schema_of(kind.kind), _schema_of(kind)]
    return {"type": "object", "additionalProperties": {"anyOf": either}}


def _schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema of what `settings.check_value` takes."""
    if isinstance(kind, Setting):
        return {"description": kind.about, **_schema_of(kind.kind)}
    if isinstance(kind, Mapping):
        return _table(Table(kind))
    if isinstance(kind, Table):
        return _table(kind)
    if isinstance(kind, Nested):
        return {"$ref": f"{_ID}#/definitions/{kind.name}"}
    if isinstance(kind, Either):
        return {"anyOf": [_schema_of(one) for one in kind.kinds]}
    if isinstance(kind, tuple):
        return {"enum": list(kind)}
    if isinstance(kind, list):
        return {"type": "array", "items": _schema_of(kind[0])}
    if isinstance(kind, Some):
        return {"type": "array", "items": _schema_of(kind.kind), "minItems": 1}
    if isinstance(kind, Text):
        return {"type": "string", "pattern": _whole(kind.pattern)}
    if isinstance(kind, Number):
        return {"type": "integer", "minimum": kind.least, "maximum": kind.most}
    if isinstance(kind, Anything):
        return {}
    return {"type": _TYPES[kind], **({"minimum": 1} if kind is int else {})}


def _table(table: Table) -> dict[str, Any]:
    keys = table.keys
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: _schema_of(inner) for key, inner in keys.items() if key != "*"},
        "additionalProperties": _schema_of(keys["*"]) if "*" in keys else False,
    }
    if table.names:
        schema["propertyNames"] = {"pattern": _whole(table.names.pattern)}
    if table.required:
        schema["required"] = list(table.required)
    if table.is_single:
        schema["minProperties"] = schema["maxProperties"] = 1
    if table.exclusive:
        schema["allOf"] = [
            {"oneOf": [{"required": [key]} for key in group]} for group in table.exclusive
        ]
    return schema


def _whole(pattern: str) -> str:
    return f"^({pattern})$"
