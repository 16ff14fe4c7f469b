"""Failures of applications in tests: what is a response, and what is raised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
import flask
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

import unigate
from tests.apps import starlette_app
from tests.test_testing import SOURCES
from unigate.emulator import EVENT_SOURCES
from unigate.testing import Client

django.setup()
pytestmark = pytest.mark.usefixtures("bounded")


@pytest.mark.parametrize("source", SOURCES)
def test_a_failure_after_the_response_is_raised_with_on_error_raise(source: str) -> None:
    assert Client(starlette_app.app, source).get("/error").status_code == 500  # Starlette's own
    raising = Client(unigate.wrap(starlette_app.app, on_error="raise"), source)
    with pytest.raises(RuntimeError, match="The view failed"):
        raising.get("/error")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_flask_lets_a_failure_out_with_a_setting_of_its_own(source: str, setting: str) -> None:
    site = flask.Flask("site")

    @site.get("/error")
    def error() -> str:
        raise RuntimeError("The view failed.")

    client = Client(unigate.wrap(site, on_error="raise"), source)
    assert client.get("/error").status_code == 500  # Flask's own
    site.config[setting] = True
    with pytest.raises(RuntimeError, match="The view failed"):
        client.get("/error")


def failing_view(request: Any) -> Any:
    raise RuntimeError("The view failed.")


urlpatterns = [path("error", failing_view)]


@pytest.mark.parametrize("source", SOURCES)
def test_django_lets_a_failure_out_with_a_setting_of_its_own(source: str) -> None:
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost"]):
        client = Client(unigate.wrap(WSGIHandler(), on_error="raise"), source)
        with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=False):
            assert client.get("/error").status_code == 500  # Django's own
        with (
            override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True),
            pytest.raises(RuntimeError, match="The view failed"),
        ):
            client.get("/error")


def stream_in_flask() -> Any:
    site = flask.Flask("site")

    @site.get("/")
    def half() -> Any:
        def parts() -> Iterator[bytes]:
            yield b"half"
            raise ValueError("No second half.")

        return flask.Response(parts())

    return site


def stream_in_starlette() -> Any:
    async def half(request: Any) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError("No second half.")

        return StreamingResponse(parts())

    return Starlette(routes=[Route("/", half)])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("make", [stream_in_flask, stream_in_starlette])
def test_a_failure_half_way_is_a_500_where_bodies_are_whole_and_else_raised(
    source: str, make: Any
) -> None:
    client = Client(make(), source)
    if source in EVENT_SOURCES or source == "azure":
        assert client.get("/").status_code == 500
    else:
        with pytest.raises(ValueError, match="No second half"):
            client.get("/")
