"""What servers refuse because of their role or state, and connections that break."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.cache.concurrency import in_threads
from tests.cache.redis_server import Cluster, Server, opened, shared_cluster
from tests.cache.tcp_proxy import Proxy
from tests.waiting import until
from unigate.cache import RuntimeCache
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_connections import Connections
from unigate.cache.redis_refusals import Refusal, refusal_of
from unigate.cache.redis_urls import parse

pytestmark = pytest.mark.usefixtures("bounded")

PATIENT = {"socket_connect_timeout": 10, "socket_timeout": 10}


def put(cache: RedisBackend, key: str, value: bytes = b"1", *tags: str) -> None:
    cache.set(key, value, ttl=None, tags=tags, name=None)


# Without it, a first replication waits 5 s for more replicas.
OPTIONS = ["--repl-diskless-sync-delay", "0"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(*OPTIONS) as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with Server(*OPTIONS) as running:
        yield running


# Refusals of one server, after which its name leads to another


def demote(server: Server, other: Server) -> None:
    server.run("REPLICAOF", "127.0.0.1", other.port)


def cut_off(server: Server, other: Server) -> None:
    server.run("CONFIG", "SET", "replica-serve-stale-data", "no")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    server.run("REPLICAOF", "127.0.0.1", port)


@pytest.mark.parametrize("refuse", [demote, cut_off], ids=["READONLY", "MASTERDOWN"])
@pytest.mark.parametrize("given", [False, True], ids=["URL", "client"])
def test_a_write_that_a_former_primary_refuses_reaches_the_new_one(
    server: Server, other: Server, refuse: Callable[[Server, Server], None], given: bool
) -> None:
    with Proxy(server.port) as proxy:
        client = redis.Redis(port=proxy.port, **PATIENT)  # type: ignore[arg-type]
        cache = RedisBackend(client=client) if given else RedisBackend(proxy.url(**PATIENT))
        put(cache, "k", b"old", "t")
        other.run("REPLICAOF", "127.0.0.1", server.port)
        until(lambda: other.client.info("replication")["master_link_status"] == "up")
        other.run("REPLICAOF", "NO", "ONE")
        refuse(server, other)
        proxy.lead_to(other.port)
        cache.expire_tags(["t"])
        assert cache.get("k") is None
        put(cache, "k", b"new")
        assert cache.get("k") == b"new"
        cache.close()
        client.close()


def test_a_server_that_stays_read_only_refuses_once_more_and_is_read(
    server: Server, other: Server
) -> None:
    with opened(server.url()) as cache:
        put(cache, "k")
        other.run("SET", "a", "b")
        demote(server, other)
        until(lambda: server.client.info("replication")["master_link_status"] == "up")
        with pytest.raises(redis.ReadOnlyError):
            cache.delete(["k"])
        assert server.client.info("commandstats")["cmdstat_unlink"]["rejected_calls"] == 2
        assert cache.get("k") is None


def test_the_refusal_is_found_behind_the_error_of_a_sentinels_client() -> None:
    error = redis.ConnectionError("The previous master is now a slave")
    error.__context__ = redis.ReadOnlyError("You can't write against a read only replica.")
    assert refusal_of(error) == Refusal("READONLY")


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
def test_a_node_that_cannot_serve_is_left_for_another(write: bool) -> None:
    good = shared_cluster().nodes[0]
    with Server("--cluster-enabled", "yes") as bad:  # it has no slots: CLUSTERDOWN
        hosts = f"127.0.0.1:{bad.port},127.0.0.1:{good.port}"
        for number in range(8):
            with opened(f"redis+cluster://{hosts}?socket_timeout=10&namespace=other") as cache:
                if write:
                    put(cache, "k", b"%d" % number)
                    assert cache.get("k") == b"%d" % number
                else:
                    assert cache.get("missing") is None


def test_a_node_that_loads_its_data_is_left_for_another(server: Server, other: Server) -> None:
    # It looks at its connections after each of these keys only.
    server.client.mset({f"filler {number}": os.urandom(2000) for number in range(2000)})
    server.run("SAVE")
    server.kill()
    slowly = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"]
    server.begin(*slowly)
    until(lambda: is_loading(server))
    hosts = f"127.0.0.1:{server.port},127.0.0.1:{other.port}"
    for number in range(4):
        with opened(f"redis+cluster://{hosts}?socket_timeout=10") as cache:
            put(cache, "k", b"%d" % number)
            assert cache.get("k") == b"%d" % number
    with opened(server.url()) as cache, pytest.raises(redis.BusyLoadingError):
        cache.get("k")
    assert is_loading(server)


def is_loading(server: Server) -> bool:
    try:
        server.run("DBSIZE")
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False
    return False


def test_a_cluster_that_is_down_is_like_no_connection() -> None:
    with Server("--cluster-enabled", "yes") as bad, opened(bad.url()) as cache:
        with pytest.raises(redis.ConnectionError, match="CLUSTERDOWN") as error:
            cache.get("k")
        assert f"127.0.0.1:{bad.port}" in error.value.__notes__


def test_keys_of_a_slot_that_is_being_moved_are_found_in_both_nodes() -> None:
    with Cluster(3) as cluster:
        source = cluster.owner("{unigate}")
        target = next(node for node in cluster.nodes if node is not source)
        connections = Connections(parse(source.url()))
        connections.execute("SET", "{unigate}:old", "1")
        slot = source.run("CLUSTER", "KEYSLOT", "{unigate}")
        target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source.run("CLUSTER", "MYID"))
        source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.run("CLUSTER", "MYID"))
        connections.execute("SET", "{unigate}:new", b"\xff")
        assert connections.execute("GET", "{unigate}:new") == b"\xff"
        assert connections.execute("GET", "{unigate}:old") == b"1"
        script = "return redis.call('GET', KEYS[1])"
        assert connections.run(script, [b"{unigate}:new"]) == b"\xff"
        assert connections.run(script, [b"{unigate}:old"]) == b"1"
        assert (source.run("DBSIZE"), target.run("DBSIZE")) == (1, 1)
        connections.close()


# Connections that break


OPERATIONS: dict[str, tuple[Callable[[Connections, float], Any], str]] = {
    "execute": (lambda c, seconds: c.execute("INCR", "n", repeat_within=seconds), "INCR"),
    "run": (
        lambda c, seconds: c.run("return redis.call('INCR', 'n')", [], repeat_within=seconds),
        "EVALSHA",
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_command_that_may_have_run_is_repeated_on_demand_only(server: Server, name: str) -> None:
    call, _ = OPERATIONS[name]
    with Proxy(server.port) as proxy:
        connections = Connections(parse(proxy.url(**PATIENT)))
        assert call(connections, 0.0) == 1
        proxy.cut_next_reply()
        with pytest.raises(redis.ConnectionError):
            call(connections, 0.0)
        assert server.run("GET", "n") == b"2"
        connections.execute("ECHO", "connected")
        proxy.cut_next_reply()
        assert call(connections, 60.0) == 4  # executed twice
        connections.close()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_the_caller_handles_is_not_taken_for_a_refusal(server: Server, name: str) -> None:
    call, _ = OPERATIONS[name]
    with Proxy(server.port) as proxy:
        connections = Connections(parse(proxy.url(**PATIENT)))
        assert call(connections, 0.0) == 1
        proxy.cut_next_reply()
        try:
            raise redis.ReadOnlyError("You can't write against a read only replica.")
        except redis.ReadOnlyError:
            with pytest.raises(redis.ConnectionError):
                call(connections, 0.0)
        assert server.run("GET", "n") == b"2"
        connections.close()


def test_a_read_and_a_removal_survive_a_lost_connection(server: Server) -> None:
    with Proxy(server.port) as proxy, opened(proxy.url(**PATIENT)) as cache:
        put(cache, "k", b"1", "t")
        proxy.cut_next_reply()
        assert cache.get("k") == b"1"
        proxy.cut_next_reply()
        cache.expire_tags(["t"])
        assert cache.get("k") is None


def test_a_removal_is_repeated_on_a_new_connection_after_a_timeout(server: Server) -> None:
    with Proxy(server.port) as proxy, opened(proxy.url(socket_timeout=0.3)) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1, tags=["t"])
        proxy.silence()
        cache.expire_tag("t")
        assert cache.get("k") is None


def test_idle_connections_are_closed_when_one_breaks(server: Server) -> None:
    with Proxy(server.port) as proxy:
        connections = Connections(parse(proxy.url(socket_timeout=2)))
        server.run("CLIENT", "PAUSE", 300)
        assert in_threads(lambda _: connections.execute("ECHO", "a"), 4) == [b"a"] * 4
        assert server.client.info("clients")["connected_clients"] == 5
        proxy.silence()
        with pytest.raises(redis.TimeoutError):
            connections.execute("ECHO", "lost")
        assert connections.execute("ECHO", "arrived") == b"arrived"
        connections.close()


def test_a_dead_owner_is_not_sent_a_command_that_cannot_be_repeated() -> None:
    """A connection that is refused has sent nothing, so any other node may be asked."""
    with Cluster(3) as cluster:
        owner = cluster.owner("{unigate}")
        first, new = (node for node in cluster.nodes if node is not owner)
        connections = Connections(parse(first.url()))
        assert connections.execute("INCR", "{unigate}:n") == 1
        owner.kill()
        slot = new.run("CLUSTER", "KEYSLOT", "{unigate}")
        identity = new.run("CLUSTER", "MYID")
        for node in (new, first):
            node.run("CLUSTER", "SETSLOT", slot, "NODE", identity)
        assert connections.execute("INCR", "{unigate}:n") == 1
        connections.close()
