"""The client of the Runtime API."""

from __future__ import annotations

import queue
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.waiting import SECONDS
from unigate.lambda_runtime.client import RuntimeClient
from unigate.lambda_runtime.errors import ErrorReport
from unigate.lambda_runtime.http_client import StopEvent
from unigate.lambda_runtime.invocation import Invocation

from .runtime_api import RuntimeApi

pytestmark = pytest.mark.usefixtures("bounded")


@contextmanager
def connected(api: RuntimeApi) -> Iterator[RuntimeClient]:
    """Connect a client to the Runtime API of the tests."""
    client = RuntimeClient(api.address)
    with closing(client.connection):
        yield client


def take(client: RuntimeClient) -> Invocation:
    """Return the next invocation."""
    invocation = client.next_invocation(StopEvent())
    assert invocation is not None
    return invocation


def test_an_invocation_is_answered_only_once() -> None:
    with RuntimeApi() as api, connected(api) as client:
        call = api.call({})
        invocation = take(client)

        client.respond(invocation, b"1", "application/json")
        with connected(api) as another:
            another.respond(invocation, b"2", "application/json")
        client.fail(invocation, ErrorReport(ValueError("late")))

        assert client.begin_stream(invocation) is None
        assert [posted.body for posted in call.answers] == [b"1"]
        assert not call.refused


def test_an_error_whose_str_fails_is_reported() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise TypeError

    with RuntimeApi() as api, connected(api) as client:
        call = api.call({})
        client.fail(take(client), ErrorReport(Mute()))

        assert call.wait().json()["errorMessage"] == "<Mute that cannot be described>"


def test_an_error_type_cannot_inject_a_header() -> None:
    hostile = type("Error\r\nX-Injected: 1", (Exception,), {})
    with RuntimeApi() as api, connected(api) as client:
        call = api.call({})
        client.fail(take(client), ErrorReport(hostile("no")))

        headers = call.wait().headers
        assert "x-injected" not in headers
        assert headers["lambda-runtime-function-error-type"] == "Error??X-Injected: 1"


def test_the_stop_event_ends_the_wait_for_an_invocation() -> None:
    stop = StopEvent()
    with RuntimeApi() as api, connected(api) as client:
        results: queue.Queue[Invocation | None] = queue.Queue()
        wait = threading.Thread(
            target=lambda: results.put(client.next_invocation(stop)), daemon=True
        )
        wait.start()
        api.wait_for("next", 1)
        stop.set()

        assert results.get(timeout=SECONDS) is None
        assert client.connection.socket is None


def test_the_stop_event_stays_readable_for_other_threads() -> None:
    stop = StopEvent()
    assert not stop.clear_wakeup()
    stop.set()
    for _ in range(2):
        assert select.select([stop], [], [], 0)[0] == [stop]
        assert stop.clear_wakeup()


def test_no_request_is_sent_once_the_stop_event_is_set() -> None:
    stop = StopEvent()
    stop.set()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert RuntimeClient(f"127.0.0.1:{listener.getsockname()[1]}").next_invocation(stop) is None
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_runtime_api_may_have_an_ipv6_address() -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    connection = RuntimeClient(f"[::1]:{listener.getsockname()[1]}").connection
    with listener, closing(connection):
        assert connection.open().getpeername()[:2] == listener.getsockname()[:2]
