"""The objects that the import strings of the tests name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .plain import asgi_app, wsgi_app

nested = SimpleNamespace(inner=SimpleNamespace(app=wsgi_app), asgi=asgi_app)
number = 7


def create_app(config: Any = None) -> Any:
    return wsgi_app
