"""Database connections that died while the process was paused."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Iterator
from contextvars import Context, copy_context
from pathlib import Path

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
from django_unigate import connections as ours
from unigate import background

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()


class Server(DatabaseWrapper):
    """SQLite that can hang up, and tells when it is asked whether it is there, as servers do."""

    asked = 0

    def is_usable(self) -> bool:
        self.asked += 1
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
    """Return the time, which the test lets pass."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(ours.time, "time", lambda: now[0])
    return now


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    usual = connections["default"].settings_dict
    own = {"NAME": str(tmp_path / "x.sqlite3"), "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
    connections.settings["paused"] = {**usual, **own}
    connection = Server(connections.settings["paused"], "paused")
    connections["paused"] = connection
    connection_created.connect(ours.note_opened)
    request_started.connect(ours.check_after_pause)
    request_finished.connect(ours.note_use)
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield connection
    request_started.disconnect(ours.check_after_pause)
    request_finished.disconnect(ours.note_use)
    connection_created.disconnect(ours.note_opened)
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


def test_it_would_fail_without(server: Server, wall: list[float]) -> None:
    request_started.disconnect(ours.check_after_pause)
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
    assert server.asked == 1


def test_nobody_is_asked_where_there_was_no_pause(server: Server, wall: list[float]) -> None:
    ask("/query")
    wall[0] += 60
    for _ in range(3):
        ask("/query")
        wall[0] += 1

    assert server.asked == 1


def test_nobody_is_asked_where_there_is_no_query(server: Server, wall: list[float]) -> None:
    ask("/query")
    wall[0] += 60
    ask("/quiet")

    assert server.asked == 0


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


def test_django_goes_on_checking_where_it_was_told_to(server: Server, wall: list[float]) -> None:
    server.settings_dict["CONN_HEALTH_CHECKS"] = True
    ask("/query")
    server.hang_up()

    assert ask("/query") == (200, "steeped")


def test_a_transaction_is_left_alone(server: Server, wall: list[float]) -> None:
    with transaction.atomic("paused"):
        server.ensure_connection()
        server.health_check_enabled = False
        wall[0] += 60
        ours.check_after_pause()
        assert not server.health_check_enabled


def test_the_application_connects_them() -> None:
    with override_settings(INSTALLED_APPS=["django_unigate"]):
        assert ours.check_after_pause in request_started._live_receivers(None)[0]
        assert ours.note_use in request_finished._live_receivers(None)[0]
        assert ours.note_opened in connection_created._live_receivers(None)[0]


def test_the_error_of_a_dead_connection_is_what_the_test_believes(server: Server) -> None:
    server.ensure_connection()
    server.hang_up()
    with pytest.raises(DatabaseError), server.cursor() as cursor:
        cursor.execute("select 1")
    assert not server.is_usable()


# wait_until


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unigate.background._around", [ours.closing])


def is_open() -> bool:
    return connections["paused"].connection is not None


def write() -> bool:
    connections["paused"].ensure_connection()
    return is_open()


def test_work_closes_what_it_opened(server: Server) -> None:
    seen: list[bool] = []

    def work() -> None:
        seen.append(write())

    def do() -> None:
        ours.closing(work)()
        seen.append(is_open())

    thread = threading.Thread(target=do)
    thread.start()
    thread.join()
    assert seen == [True, False]


def test_asynchronous_work_closes_what_it_opened(server: Server) -> None:
    from asgiref.sync import sync_to_async

    def opened() -> BaseDatabaseWrapper:
        assert write()
        return connections["paused"]

    async def work() -> BaseDatabaseWrapper:
        return await sync_to_async(opened)()

    async def do() -> list[BaseDatabaseWrapper]:
        return [await ours.closing(work()), await ours.closing(work)()]

    assert [used.connection for used in asyncio.run(do())] == [None, None]


def test_asynchronous_work_does_not_need_the_thread_of_its_request(server: Server) -> None:
    from asgiref.sync import async_to_sync, sync_to_async

    works: list[Awaitable[bool]] = []
    contexts: list[Context] = []

    async def view() -> None:
        works.append(ours.closing(sync_to_async(write)()))
        contexts.append(copy_context())

    async_to_sync(view)()

    async def later() -> bool:
        return await asyncio.create_task(wait(), context=contexts[0])

    async def wait() -> bool:
        return await works[0]

    assert asyncio.run(later())


def test_work_that_fails_closes_too_and_leaves_what_was_open(server: Server) -> None:
    server.ensure_connection()

    def work() -> None:
        raise LookupError("no leaves")

    with pytest.raises(LookupError):
        ours.closing(work)()
    assert server.connection is not None


def test_wait_until_closes_the_connections_of_its_work(server: Server, closing: None) -> None:
    done = threading.Event()
    seen: list[bool] = []

    def work() -> None:
        seen.append(write())
        done.set()

    unigate.wait_until(work)
    assert done.wait(10)
    assert seen == [True]


def test_the_application_puts_it_around_work() -> None:
    with override_settings(INSTALLED_APPS=["django_unigate"]):
        assert background._around.count(ours.closing) == 1
