"""The file of a page that is "before", beside its "after"."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

from tests.samples import load


def before() -> ModuleType:
    """Return the module before/main.py of the working directory."""
    spec = importlib.util.spec_from_file_location("before", "before/main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(path: str) -> dict[str, Any]:
    """Return an event of an HTTP API for a path."""
    event = load("http_api/get") | {"rawPath": path}
    event["requestContext"]["http"]["path"] = path
    event["requestContext"]["stage"] = "$default"
    event["requestContext"].pop("authorizer", None)  # serverless-wsgi does not read null
    return event
