"""A pytest plugin for the examples: tests that use `unigate_client` run once for each host."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from unigate import Gateway, Request, emulator
from unigate.events import EventSource
from unigate.testing import transport

# "handle" is the door for programs that already have an event loop.
HOSTS = (*emulator.EVENT_SOURCES, "google", "azure", "asgi", "wsgi", "handle")


def pytest_configure() -> None:
    transport.find_host = find_host
    if "django" in sys.modules:
        from django.conf import settings

        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "unigate_client" in metafunc.fixturenames:
        metafunc.parametrize("unigate_client", HOSTS, indirect=True)


def ask_handle(app: Gateway, request: Request, base64: bool) -> emulator.Delivery:
    source = emulator.EVENT_SOURCES["http_api"]
    event = emulator.through_json(source.make_event(request))
    reply = emulator.through_json(asyncio.run(app.handle(event, emulator.LocalContext())))
    return emulator.Delivery(event, reply, source.from_reply(reply))


def find_host(source: str | EventSource, handler: Any = None) -> Any:
    return ask_handle if source == "handle" else emulator.find_host(source, handler)
