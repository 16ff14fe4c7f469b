from __future__ import annotations

import asyncio
import importlib.util
from types import ModuleType

import main
import pytest

from tests.samples import load


def before() -> ModuleType:
    spec = importlib.util.spec_from_file_location("before", "before/main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_the_answer_stays() -> None:
    event = load("http_api/get") | {"rawPath": "/users/ada"}
    event["requestContext"]["http"]["path"] = "/users/ada"
    event["requestContext"]["stage"] = "$default"
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        old = before().handler(event, None)
    new = main.handler(event, None)
    assert (new["statusCode"], new["body"]) == (old["statusCode"], old["body"])
    assert new["body"] == '{"name":"ada","path":"/users/ada"}'
