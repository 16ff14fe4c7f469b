"""The Runtime API, as the runtime sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from unigate.lambda_runtime.api import RuntimeApi as Client
from unigate.lambda_runtime.failures import Failure

from .runtime_api import RuntimeApi

pytestmark = pytest.mark.usefixtures("bounded")


@contextmanager
def client(server: RuntimeApi) -> Iterator[Client]:
    """Speak to the API as the runtime does."""
    made = Client(server.address)
    with closing(made.connection):
        yield made


def test_nobody_answers_what_somebody_has_answered() -> None:
    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        invocation = one.next()

        one.respond(invocation, b"1", "application/json")
        with client(server) as another:
            another.respond(invocation, b"2", "application/json")
        one.fail(invocation, Failure(ValueError("late")))

        assert one.stream(invocation) is None
        assert [posted.body for posted in call.answers] == [b"1"]
        assert not call.refused


def test_a_failure_that_cannot_be_described_is_told_nevertheless() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise TypeError

    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        one.fail(one.next(), Failure(Mute()))

        assert call.wait().json()["errorMessage"] == "<Mute that cannot be described>"


def test_a_name_of_an_error_cannot_end_a_header() -> None:
    hostile = type("Error\r\nX-Injected: 1", (Exception,), {})
    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        one.fail(one.next(), Failure(hostile("no")))

        headers = call.wait().headers
        assert "x-injected" not in headers
        assert headers["lambda-runtime-function-error-type"] == "Error??X-Injected: 1"
