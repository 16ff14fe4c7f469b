"""The JSON schema of [tool.unigate], made from the definition of the settings.

`schema.json` beside this module is the same, for editors. validate-pyproject finds `tool_schema`
through an entry point ("Developer guide", Plugins), and wants draft 7 and an "$id".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import SETTINGS, VARIABLE, Setting

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def tool_schema(tool: str = "unigate") -> dict[str, Any]:
    """Return the schema of the table [tool.unigate].

    Args:
        tool: The name of the table, which validate-pyproject passes.
    """
    schema = _schema_of(SETTINGS)
    schema["properties"]["environment"]["propertyNames"] = {"pattern": f"^{VARIABLE.pattern}$"}
    about = {"$id": f"urn:{tool}:settings", "title": f"The settings of {tool}"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **about, **schema}


def _schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema of what `settings.check_value` takes."""
    if isinstance(kind, Setting):
        return {"description": kind.about, **_schema_of(kind.kind)}
    if isinstance(kind, Mapping):
        named = {key: _schema_of(inner) for key, inner in kind.items() if key != "*"}
        rest = _schema_of(kind["*"]) if "*" in kind else False
        return {"type": "object", "properties": named, "additionalProperties": rest}
    if isinstance(kind, tuple):
        return {"enum": list(kind)}
    if isinstance(kind, list):
        return {"type": "array", "items": _schema_of(kind[0])}
    return {"type": _TYPES[kind], **({"minimum": 1} if kind is int else {})}
