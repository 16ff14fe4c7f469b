"""Data as YAML that every parser reads alike."""

from __future__ import annotations

from typing import Any

import yaml


class Quoted(str):
    """Text that is always quoted: what plain text means differs between parsers ("1e3", "on")."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # equal values are written out


_Dumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def quoted(value: Any) -> Any:
    """Return a value with all texts in it quoted, the keys of tables excepted."""
    if isinstance(value, str):
        return Quoted(value)
    if isinstance(value, dict):
        return {key: quoted(inner) for key, inner in value.items()}
    return [quoted(inner) for inner in value] if isinstance(value, list) else value


def to_yaml(value: Any) -> bytes:
    """Return the text of a YAML file with a comment that says where it is from."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return f"# Written by `unigate build`.\n{text}".encode()
