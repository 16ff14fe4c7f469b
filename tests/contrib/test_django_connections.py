"""Database connections that ended while the process was frozen."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
from collections.abc import Awaitable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

import unigate
from django_unigate import connections as plugin
from tests.waiting import SECONDS, until

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()


class SocketConnection(sqlite3.Connection):
    """SQLite behind a real socket, like the connection to a server that has sent nothing yet."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._socket, self._server_end = socket.socketpair()

    def fileno(self) -> int:
        return self._socket.fileno()

    def end_from_server(self) -> None:
        """End the connection as a server does: with a message that explains it."""
        self._server_end.sendall(b"terminating connection due to administrator command")
        super().close()

    def close(self) -> None:
        super().close()
        self._socket.close()
        self._server_end.close()


class Server(DatabaseWrapper):
    """SQLite that can lose its connection, and counts health checks."""

    health_checks = 0

    def is_usable(self) -> bool:
        self.health_checks += 1
        try:
            self.connection.execute("select 1")
        except Exception:
            return False
        return True

    def hang_up(self) -> None:
        self.connection.close()


def query(request: HttpRequest) -> HttpResponse:
    with connections["paused"].cursor() as cursor:
        cursor.execute("select 'steeped'")
        return HttpResponse(cursor.fetchone()[0])


def quiet(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no query")


urlpatterns = [path("query", query), path("quiet", quiet)]


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time of the wall clock, in a list, for tests to change."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(plugin.time, "time", lambda: now[0])
    return now


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    usual = connections["default"].settings_dict
    own = {"NAME": str(tmp_path / "x.sqlite3"), "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
    connections.settings["paused"] = {**usual, **own}
    connection = Server(connections.settings["paused"], "paused")
    connections["paused"] = connection
    connection_created.connect(plugin.remember_opened)
    request_started.connect(plugin.check_after_pause)
    request_finished.connect(plugin.remember_use)
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield connection
    request_started.disconnect(plugin.check_after_pause)
    request_finished.disconnect(plugin.remember_use)
    connection_created.disconnect(plugin.remember_opened)
    connection.close()
    del connections["paused"], connections.settings["paused"]


def ask(target: str) -> tuple[int, str]:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": target,
        "rawQueryString": "",
        "headers": {"host": "shop.example"},
        "requestContext": {
            "domainName": "shop.example",
            "http": {"method": "GET", "path": target, "sourceIp": "192.0.2.44"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    reply = unigate.wrap(WSGIHandler()).lambda_handler(event, None)
    return reply["statusCode"], reply["body"]


def test_the_first_query_after_a_pause_succeeds(server: Server, wall: list[float]) -> None:
    assert ask("/query") == (200, "steeped")
    server.hang_up()
    wall[0] += 60

    assert ask("/query") == (200, "steeped")


def test_without_the_check_the_query_fails(server: Server, wall: list[float]) -> None:
    request_started.disconnect(plugin.check_after_pause)
    ask("/query")
    server.hang_up()
    wall[0] += 60

    status, _ = ask("/query")
    assert status == 500


def test_a_connection_that_works_is_kept(server: Server, wall: list[float]) -> None:
    ask("/query")
    first = server.connection
    wall[0] += 60

    assert ask("/query") == (200, "steeped")
    assert server.connection is first
    assert server.health_checks == 1


def test_nothing_is_checked_without_a_pause(server: Server, wall: list[float]) -> None:
    ask("/query")
    wall[0] += 60
    for _ in range(3):
        ask("/query")
        wall[0] += 1

    assert server.health_checks == 1


def test_nothing_is_checked_without_a_query(server: Server, wall: list[float]) -> None:
    ask("/query")
    wall[0] += 60
    ask("/quiet")

    assert server.health_checks == 0


def test_within_the_pause_a_connection_is_replaced_once_its_server_has_sent_something(
    server: Server, wall: list[float]
) -> None:
    server.settings_dict["OPTIONS"] = {"factory": SocketConnection}
    ask("/query")
    first = server.connection
    assert isinstance(first, SocketConnection)
    wall[0] += 1
    ask("/query")
    assert server.health_checks == 0

    first.end_from_server()
    wall[0] += 1

    assert ask("/query") == (200, "steeped")
    assert server.health_checks == 1
    assert server.connection is not first


def test_within_the_pause_a_connection_closed_by_its_driver_is_replaced(
    server: Server, wall: list[float]
) -> None:
    server.settings_dict["OPTIONS"] = {"factory": SocketConnection}
    ask("/query")
    server.hang_up()

    assert ask("/query") == (200, "steeped")


def test_a_clock_that_was_set_back_is_a_pause(server: Server, wall: list[float]) -> None:
    ask("/query")
    server.hang_up()
    wall[0] -= 60

    assert ask("/query") == (200, "steeped")


@override_settings(UNIGATE={"CONNECTION_PAUSE": 0})
def test_every_request_can_count_as_a_pause(server: Server, wall: list[float]) -> None:
    ask("/query")
    server.hang_up()

    assert ask("/query") == (200, "steeped")


def test_conn_health_checks_stays_in_effect(server: Server, wall: list[float]) -> None:
    server.settings_dict["CONN_HEALTH_CHECKS"] = True
    ask("/query")
    server.hang_up()

    assert ask("/query") == (200, "steeped")


def test_a_transaction_is_left_alone(server: Server, wall: list[float]) -> None:
    with transaction.atomic("paused"):
        server.ensure_connection()
        server.health_check_enabled = False
        wall[0] += 60
        plugin.check_after_pause()
        assert not server.health_check_enabled


def test_the_application_connects_the_receivers() -> None:
    with override_settings(INSTALLED_APPS=["django_unigate"]):
        # disconnect() returns whether the receiver was connected.
        assert request_started.disconnect(plugin.check_after_pause)
        assert request_finished.disconnect(plugin.remember_use)
        assert connection_created.disconnect(plugin.remember_opened)


def test_a_query_on_an_ended_connection_fails(server: Server) -> None:
    server.ensure_connection()
    server.hang_up()
    with pytest.raises(DatabaseError), server.cursor() as cursor:
        cursor.execute("select 1")
    assert not server.is_usable()


# wait_until


def is_open() -> bool:
    return connections["paused"].connection is not None


def write() -> bool:
    connections["paused"].ensure_connection()
    return is_open()


def test_work_closes_what_it_opened(server: Server) -> None:
    states: list[bool] = []

    def work() -> None:
        states.append(write())

    def do() -> None:
        plugin.closing(work)()
        states.append(is_open())

    thread = threading.Thread(target=do)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert states == [True, False]


def test_asynchronous_work_closes_what_it_opened(server: Server) -> None:
    from asgiref.sync import sync_to_async

    def opened() -> BaseDatabaseWrapper:
        assert write()
        return connections["paused"]

    async def work() -> BaseDatabaseWrapper:
        return await sync_to_async(opened)()

    async def do() -> list[BaseDatabaseWrapper]:
        return [await plugin.closing(work()), await plugin.closing(work)()]

    assert [wrapper.connection for wrapper in asyncio.run(do())] == [None, None]


def test_asynchronous_work_does_not_need_the_thread_of_its_request(server: Server) -> None:
    from asgiref.sync import async_to_sync, sync_to_async

    works: list[Awaitable[bool]] = []
    contexts: list[Context] = []

    async def view() -> None:
        works.append(plugin.closing(sync_to_async(write)()))
        contexts.append(copy_context())

    async_to_sync(view)()

    async def later() -> bool:
        return await asyncio.create_task(wait(), context=contexts[0])

    async def wait() -> bool:
        return await works[0]

    assert asyncio.run(later())


def test_failing_work_leaves_a_connection_that_was_open(server: Server) -> None:
    server.ensure_connection()

    def work() -> None:
        raise LookupError("no leaves")

    with pytest.raises(LookupError):
        plugin.closing(work)()
    assert server.connection is not None


def test_the_application_closes_the_connections_of_wait_until(server: Server) -> None:
    used: list[BaseDatabaseWrapper] = []

    def work() -> None:
        assert write()
        used.append(connections["paused"])

    with override_settings(INSTALLED_APPS=["django_unigate"]):
        unigate.wait_until(work)

    until(lambda: used and used[0].connection is None)


def test_a_wrapper_of_work_that_is_registered_twice_is_applied_once() -> None:
    wrapped: list[object] = []
    done = threading.Event()

    def wrapper(work: Any) -> Any:
        wrapped.append(work)
        return work

    for _ in range(2):  # as ready() does when settings are overridden
        unigate.around_work(wrapper)
    unigate.wait_until(done.set)

    assert done.wait(SECONDS)
    assert len(wrapped) == 1
