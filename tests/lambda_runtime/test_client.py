"""The Runtime API, as the runtime sees it."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from unigate.lambda_runtime.client import RuntimeClient
from unigate.lambda_runtime.errors import ErrorReport
from unigate.lambda_runtime.http_client import StopEvent
from unigate.lambda_runtime.invocation import Invocation

from .runtime_api import RuntimeApi

pytestmark = pytest.mark.usefixtures("bounded")


@contextmanager
def client(server: RuntimeApi) -> Iterator[RuntimeClient]:
    """Speak to the API as the runtime does."""
    made = RuntimeClient(server.address)
    with closing(made.connection):
        yield made


def take(one: RuntimeClient) -> Invocation:
    """Wait for an event."""
    invocation = one.next_invocation(StopEvent())
    assert invocation is not None
    return invocation


def test_nobody_answers_what_somebody_has_answered() -> None:
    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        invocation = take(one)

        one.respond(invocation, b"1", "application/json")
        with client(server) as another:
            another.respond(invocation, b"2", "application/json")
        one.fail(invocation, ErrorReport(ValueError("late")))

        assert one.begin_stream(invocation) is None
        assert [posted.body for posted in call.answers] == [b"1"]
        assert not call.refused


def test_a_failure_that_cannot_be_described_is_told_nevertheless() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise TypeError

    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        one.fail(take(one), ErrorReport(Mute()))

        assert call.wait().json()["errorMessage"] == "<Mute that cannot be described>"


def test_a_name_of_an_error_cannot_end_a_header() -> None:
    hostile = type("Error\r\nX-Injected: 1", (Exception,), {})
    with RuntimeApi() as server, client(server) as one:
        call = server.call({})
        one.fail(take(one), ErrorReport(hostile("no")))

        headers = call.wait().headers
        assert "x-injected" not in headers
        assert headers["lambda-runtime-function-error-type"] == "Error??X-Injected: 1"


def test_who_waits_for_an_event_can_be_told_to_stop() -> None:
    stop = StopEvent()
    with RuntimeApi() as server, client(server) as one, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(one.next_invocation, stop)
        server.wait_for("next", 1)
        stop.set()

        assert waiting.result(10) is None
        assert one.connection.socket is None


def test_a_wish_to_stop_wakes_all_who_wait() -> None:
    stop = StopEvent()
    assert not stop.clear_wakeup()
    stop.set()
    for _ in range(2):
        assert select.select([stop], [], [], 0)[0] == [stop]
        assert stop.clear_wakeup()


def test_who_is_to_stop_asks_for_no_event() -> None:
    stop = StopEvent()
    stop.set()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert RuntimeClient(f"127.0.0.1:{listener.getsockname()[1]}").next_invocation(stop) is None
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_api_may_be_at_an_address_of_version_6() -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    connection = RuntimeClient(f"[::1]:{listener.getsockname()[1]}").connection
    with listener, closing(connection):
        assert connection.open().getpeername()[:2] == listener.getsockname()[:2]
