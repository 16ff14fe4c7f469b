"""Connections to Redis: how many there are at a time, and what a new one costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pytest
import redis
from redis.exceptions import MaxConnectionsError

from tests.cache.concurrency import in_a_child, in_threads
from tests.cache.redis_deployments import SentinelDeployment
from tests.cache.redis_server import PATIENT, Server, opened
from tests.waiting import SECONDS, until
from unigate.cache import RuntimeCache
from unigate.cache.guard import FAILURES
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_connections import Connections
from unigate.cache.redis_urls import parse

pytestmark = pytest.mark.usefixtures("bounded")

THREADS = 16


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own."""
    with Server() as running:
        yield running


@contextmanager
def a_server() -> Iterator[tuple[Server, Callable[..., str]]]:
    with Server() as server:
        yield server, server.url


@contextmanager
def a_node() -> Iterator[tuple[Server, Callable[..., str]]]:
    with Server() as server:
        yield server, lambda **options: server.url(**options).replace("redis:", "redis+cluster:")


@contextmanager
def a_primary() -> Iterator[tuple[Server, Callable[..., str]]]:
    with SentinelDeployment() as deployment:
        yield deployment.primary, lambda **options: deployment.url(**PATIENT | options)


@pytest.mark.parametrize("deployment", [a_server, a_node, a_primary])
def test_threads_wait_for_the_connections_that_a_url_allows(deployment: Any) -> None:
    with deployment() as (server, url), opened(url(max_connections=2, client_name="own")) as cache:
        server.run("CLIENT", "PAUSE", "300", "ALL")  # or few threads would be busy at a time
        assert in_threads(lambda number: cache.get(f"k{number}"), THREADS) == [None] * THREADS
        names = [client["name"] for client in server.client.client_list()]
        assert names.count("own") == 2
        assert cache.get("k") is None  # a connection is returned after each command


def test_a_thread_waits_as_long_as_for_a_reply(server: Server) -> None:
    url = server.url(max_connections=1, socket_timeout=0.2)
    with closing(Connections(parse(url))) as connections:

        def error(_: int) -> Exception:
            with pytest.raises((redis.TimeoutError, MaxConnectionsError)) as caught:
                connections.execute("GET", "k")
            return caught.value

        server.freeze()
        errors = in_threads(error, THREADS)
        server.thaw()
        full = next(each for each in errors if isinstance(each, MaxConnectionsError))
        assert str(full) == "No connection became free in 0.2 s (max_connections=1)."
        assert full.__notes__ == [f"127.0.0.1:{server.port}"]


def test_a_fork_has_connections_of_its_own(server: Server) -> None:
    url = server.url(max_connections=1, socket_timeout=5)
    with closing(Connections(parse(url))) as connections:
        busy = threading.Thread(target=connections.execute, args=["BLPOP", "list", "4"])
        busy.start()
        until(lambda: server.client.info("clients")["blocked_clients"])
        in_a_child(lambda: connections.execute("GET", "k"))
        server.run("RPUSH", "list", "end")
        busy.join(SECONDS)


@pytest.mark.parametrize("number", [0, -1])
def test_a_limit_below_one_connection_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match=f"max_connections must be .*, got {number}"):
        RedisBackend(f"redis://localhost?max_connections={number}")


# Pools that are given


KINDS = {
    "raising": redis.ConnectionPool,
    "blocking": partial(redis.BlockingConnectionPool, timeout=0.05),
}


@contextmanager
def pool_of(kind: str, server: Server, **options: Any) -> Iterator[redis.ConnectionPool]:
    pool = KINDS[kind](port=server.port, **options)
    try:
        yield pool
    finally:
        pool.disconnect()


def holder(pool: redis.ConnectionPool) -> redis.Redis:
    """Return a client that holds a connection of a pool until it is closed."""
    return redis.Redis(connection_pool=pool, single_connection_client=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", [False, True], ids=["pool", "client"])
def test_a_full_pool_is_a_miss_and_no_failure_of_the_server(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    client: bool,
) -> None:
    with pool_of(kind, server, max_connections=2) as pool:
        source = redis.Redis(connection_pool=pool) if client else pool
        backend = RedisBackend(client=source)
        cache = RuntimeCache(backend=backend)
        assert cache.set("k", 1)
        with holder(pool), holder(pool):
            with pytest.raises(MaxConnectionsError) as caught:
                backend.get("k")
            assert caught.value.__notes__ == [f"localhost:{server.port}"]
            assert [cache.get("k") for _ in range(2 * FAILURES)] == [None] * 2 * FAILURES
        assert cache.get("k") == 1
        [line] = caplog.messages
        assert line.startswith("A call of the cache has failed, as if no value were there: MaxConn")
        assert "raise its max_connections" in line
        assert ("give a redis.BlockingConnectionPool" in line) is (kind == "raising")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_closes_the_idle_connections_of_a_pool_and_no_others(
    server: Server, kind: str
) -> None:
    def own() -> set[str]:
        return {client["id"] for client in server.client.client_list() if client["name"] == "own"}

    options = {"max_connections": 4, "client_name": "own"}
    with pool_of(kind, server, **options) as pool, holder(pool) as held:
        cache = RedisBackend(client=pool)
        with holder(pool), holder(pool):
            assert len(own()) == 3
        server.run("REPLICAOF", "127.0.0.1", server.port)
        with pytest.raises(redis.ReadOnlyError):
            cache.clear()
        until(lambda: len(own()) == 1)
        assert str(held.execute_command("CLIENT ID")) in own()
        server.run("REPLICAOF", "NO", "ONE")
        with holder(pool), holder(pool), holder(pool) as fourth:
            assert fourth.execute_command("PING")
        cache.clear()


# What a new connection costs


@pytest.mark.parametrize("deployment", [a_server, a_node, a_primary])
def test_a_new_connection_does_not_name_its_library(deployment: Any) -> None:
    def named(server: Server) -> tuple[int, object]:
        # Redis before 7.2 does not know the command.
        calls = server.client.info("commandstats").get("cmdstat_client|setinfo")
        return server.client.info("stats")["total_error_replies"], calls

    with deployment() as (server, url), opened(url()) as cache:
        before = named(server)
        assert cache.get("k") is None
        assert named(server) == before
