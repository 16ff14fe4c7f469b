from __future__ import annotations

import importlib.util
from types import ModuleType

import main

from tests.samples import load


def before() -> ModuleType:
    spec = importlib.util.spec_from_file_location("before", "before/main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_answer_stays() -> None:
    event = load("http_api/get") | {"rawPath": "/users/ada"}
    event["requestContext"]["http"]["path"] = "/users/ada"
    event["requestContext"]["stage"] = "$default"
    old = before().handler(event, None)
    new = main.handler(event, None)
    assert (new["statusCode"], new["body"]) == (old["statusCode"], old["body"])
    assert '"ada"' in new["body"]
