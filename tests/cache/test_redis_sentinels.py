"""A planned failover: the former primary lives on and takes writes, until it is demoted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import pytest
import redis

from tests.cache.concurrency import in_threads
from tests.cache.redis_deployments import SERVICE, SentinelDeployment
from tests.cache.redis_server import PATIENT, Server, opened
from tests.waiting import until
from unigate.cache import RuntimeCache
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_connections import Connections
from unigate.cache.redis_sentinels import Sentinels
from unigate.cache.redis_urls import parse

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
def deployed() -> Iterator[SentinelDeployment]:
    with SentinelDeployment() as running:
        yield running


@contextmanager
def by_url(deployed: SentinelDeployment) -> Iterator[RedisBackend]:
    with opened(deployed.url()) as backend:
        yield backend


@contextmanager
def by_client(deployed: SentinelDeployment) -> Iterator[RedisBackend]:
    nodes = [("127.0.0.1", sentinel.port) for sentinel in deployed.sentinels]
    with closing(redis.Sentinel(nodes, **PATIENT).master_for(SERVICE)) as client:
        yield RedisBackend(client=client)


Make = Callable[[SentinelDeployment], AbstractContextManager[RedisBackend]]


def fail_over(deployed: SentinelDeployment) -> None:
    """Promote the replica, and keep the former primary from being demoted."""
    deployed.primary.run("ACL", "SETUSER", "default", "-replicaof", "-slaveof")
    deployed.sentinels[0].run("SENTINEL", "FAILOVER", SERVICE)
    deployed.await_promotion()


@pytest.mark.parametrize("make", [by_url, by_client])
def test_a_planned_failover_is_noticed_while_the_former_primary_takes_writes(
    deployed: SentinelDeployment, make: Make
) -> None:
    with make(deployed) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        fail_over(deployed)

        def is_at_the_new_primary() -> bool:
            cache.set("new", 1)
            return any(b"new" in key for key in deployed.replica.run("KEYS", "*"))

        until(is_at_the_new_primary)
        assert deployed.primary.client.info("replication")["role"] == "master"
        with opened(deployed.url()) as other:
            assert [RuntimeCache(backend=each).add("lock", 1) for each in (backend, other)] == [
                True,
                False,
            ]


def test_connections_in_use_at_the_failover_are_not_used_again(
    deployed: SentinelDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unigate.cache.redis_sentinels.INTERVAL", 0)
    with closing(Connections(parse(deployed.url()))) as connections:

        def hold(number: int) -> Any:
            if number:
                return connections.execute("BLPOP", f"list {number}", "20")
            until(lambda: deployed.primary.client.info("clients")["blocked_clients"] == 3)
            fail_over(deployed)
            until(lambda: connections.execute("CONFIG", "GET", "port")[1] == new)
            for name in ("list 1", "list 2", "list 3"):
                deployed.primary.run("RPUSH", name, "end")
            return None

        new = b"%d" % deployed.replica.port
        assert [value for _, value in in_threads(hold, 4)[1:]] == [b"end"] * 3
        ports = in_threads(lambda _: connections.execute("CONFIG", "GET", "port")[1], 8)
        assert ports == [new] * 8


def test_sentinels_are_not_asked_for_each_command(
    deployed: SentinelDeployment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("unigate.cache.redis_sentinels.INTERVAL", 1e6)
    with by_url(deployed) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        for sentinel in deployed.sentinels:
            sentinel.kill()
        assert cache.get("k") == 1
        assert caplog.records == []  # of a question without an answer


def test_the_primary_is_used_while_no_sentinel_answers(
    deployed: SentinelDeployment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("INTERVAL", "AFTER_FAILURE"):
        monkeypatch.setattr(f"unigate.cache.redis_sentinels.{name}", 0)
    with by_url(deployed) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        for _ in range(2):
            for sentinel in deployed.sentinels:
                sentinel.kill()
            cache.set("k", 2)
            assert cache.get("k") == 2
            for sentinel in deployed.sentinels:
                sentinel.start()
            assert cache.get("k") == 2
    # Once for each outage, not for each command.
    assert [(record.levelno, record.message[:23]) for record in caplog.records] == [
        (logging.WARNING, "No Sentinel names a pri")
    ] * 2


def test_the_leader_of_a_failover_names_the_new_primary_before_all_replicas_follow(
    deployed: SentinelDeployment,
) -> None:
    leader = deployed.sentinels[0]
    with Server("--replica-priority", "0") as slow:
        slow.run("REPLICAOF", "127.0.0.1", deployed.primary.port)
        state = lambda: leader.client.execute_command("SENTINEL MASTERS")[SERVICE]  # noqa: E731
        until(lambda: state()["num-slaves"] == 2)
        slow.run("ACL", "SETUSER", "default", "-replicaof", "-slaveof")
        sentinels: Callable[..., Sentinels] = Sentinels
        asked = sentinels([("127.0.0.1", leader.port)], sentinel_kwargs=PATIENT)
        leader.run("SENTINEL", "FAILOVER", SERVICE)
        until(lambda: asked.discover_master(SERVICE) == ("127.0.0.1", deployed.replica.port))
        assert state()["port"] == deployed.primary.port
        for client in asked.sentinels:  # redis-py 5 has no method to close them all
            client.close()
