"""The Jinja2 templates of generated files."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jinja2


def render(name: str, /, **values: Any) -> bytes:
    """Render a template of this folder; an undefined variable is an error."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = files(__name__).joinpath(name).read_text("utf-8")
    return environment.from_string(text).render(values).encode()
