"""A plugin of pytest for the examples: what takes `unigate_client` runs once for each host."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from unigate import Gateway, Request, testing
from unigate import emulator as local
from unigate.events import EventSource

# "handle" is the door for whoever has an event loop already.
HOSTS = (*local.EVENT_SOURCES, "google", "azure", "asgi", "wsgi", "handle")


def pytest_configure() -> None:
    testing.host_named = host_named
    if "django" in sys.modules:
        from django.conf import settings

        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "unigate_client" in metafunc.fixturenames:
        metafunc.parametrize("unigate_client", HOSTS, indirect=True)


def ask_handle(app: Gateway, request: Request, base64: bool) -> local.Asked:
    source = local.EVENT_SOURCES["http_api"]
    event = local.sent(source.make_event(request))
    reply = local.sent(asyncio.run(app.handle(event, local.Context())))
    return local.Asked(event, reply, source.from_reply(reply))


def host_named(source: str | EventSource) -> Any:
    return ask_handle if source == "handle" else local.host_named(source)
