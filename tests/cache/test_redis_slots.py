"""The hash slot of a namespace is moved to another node of the cluster, as a resharding does it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
import redis

from tests.cache.redis_server import PATIENT, Cluster, Server, opened
from tests.waiting import SECONDS, until
from unigate import CacheError
from unigate.cache import AsyncRuntimeCache, RuntimeCache
from unigate.cache.guard import FAILURES
from unigate.cache.redis import RedisBackend

pytestmark = pytest.mark.usefixtures("bounded")

IMPATIENT = {"socket_connect_timeout": 10, "socket_timeout": 0.2}


class Move:
    """A slot on its way from its owner to another node."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.slot = cluster.nodes[0].run("CLUSTER", "KEYSLOT", f"{{{namespace}}}")
        self.source = cluster.nodes[self.slot % len(cluster.nodes)]
        self.target = next(node for node in cluster.nodes if node is not self.source)

    def url(self, **options: object) -> str:
        return self.source.url(namespace=self.namespace, **options)

    def begin(self) -> None:
        # A node that does not know the epoch of another one's last move could lose the next slot to
        # it again.
        until(lambda: self.epochs(self.source) == self.epochs(self.target))
        identities = [node.run("CLUSTER", "MYID") for node in (self.source, self.target)]
        self.target.run("CLUSTER", "SETSLOT", self.slot, "IMPORTING", identities[0])
        self.source.run("CLUSTER", "SETSLOT", self.slot, "MIGRATING", identities[1])

    def epochs(self, node: Server) -> dict[str, str]:
        nodes = node.run("CLUSTER NODES")
        return {address: known["epoch"] for address, known in nodes.items()}

    def keys(self, node: Server) -> list[bytes]:
        keys: list[bytes] = node.run("CLUSTER", "GETKEYSINSLOT", self.slot, 10000)
        return keys

    def carry(self, *ends: str) -> None:
        """Move the keys with some ends, all keys by default."""
        names = tuple(end.encode() for end in ends or ("",))
        if chosen := [key for key in self.keys(self.source) if key.endswith(names)]:
            where = ["127.0.0.1", self.target.port, "", 0, 5000]
            self.source.run("MIGRATE", *where, "KEYS", *chosen)

    def finish(self) -> None:
        while self.keys(self.source):
            self.carry()
        others = [n for n in self.cluster.nodes if n not in (self.source, self.target)]
        for node in (self.target, self.source, *others):
            node.run("CLUSTER", "SETSLOT", self.slot, "NODE", self.target.run("CLUSTER", "MYID"))

    def give_up(self) -> None:
        for node in (self.target, self.source):
            node.run("CLUSTER", "SETSLOT", self.slot, "STABLE")

    def refusals(self) -> int:
        """Return how many commands were refused because their keys are on two nodes."""
        nodes = (self.source, self.target)
        stats = [node.client.info("errorstats").get("errorstat_TRYAGAIN") for node in nodes]
        # {"count": 1}, or "count=1" with redis-py 5.0.
        return sum(int(str(each).strip("{}'count:= ")) for each in stats if each)

    @contextmanager
    def finished_once_refused(self) -> Iterator[None]:
        """Finish as soon as a call has been refused."""
        before = self.refusals()

        def finish() -> None:
            until(lambda: self.refusals() > before)
            self.finish()

        with ThreadPoolExecutor(1) as threads:
            finishing = threads.submit(finish)
            yield
            finishing.result(SECONDS)


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with Cluster(2) as running:
        yield running


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A cluster of the test's own."""
    with Cluster(2) as running:
        yield running


_namespaces = (f"moved-{number}" for number in count())


@pytest.fixture
def move(shared: Cluster) -> Move:
    """A move of a namespace, and so of a slot, of the test's own."""
    return Move(shared, next(_namespaces))


@pytest.fixture(params=["URL", "client"])
def backend(move: Move, request: pytest.FixtureRequest) -> Iterator[RedisBackend]:
    node = move.cluster.nodes[0]
    if request.param == "URL":
        with opened(move.url()) as fresh:
            yield fresh
    else:
        client = redis.RedisCluster("127.0.0.1", node.port, **PATIENT)  # type: ignore[arg-type]
        yield RedisBackend(client=client, namespace=move.namespace)
        client.close()


@pytest.fixture
def cache(backend: RedisBackend) -> RuntimeCache:
    return RuntimeCache(backend=backend, strict=True)


ON_TWO_NODES = pytest.mark.parametrize(
    "carried", [["k", "n"], [":all"], [":t"], [":all", ":t"]], ids=["entries", "all", "tag", "both"]
)


@ON_TWO_NODES
def test_entries_are_read_while_their_keys_are_on_two_nodes(
    cache: RuntimeCache, move: Move, carried: list[str]
) -> None:
    cache.set("k", 1, tags=["t"])
    cache.set("other", 2)
    move.begin()
    move.carry(*carried)
    assert cache.get("k") == 1
    assert cache.get_many(["k", "other", "missing"]) == {"k": 1, "other": 2}


@ON_TWO_NODES
@pytest.mark.parametrize(
    "remove",
    [
        lambda cache: cache.expire_tag("t"),
        lambda cache: cache.expire_tag(["t", "unknown"]),
        lambda cache: cache.delete("k"),
        lambda cache: cache.clear(),
    ],
    ids=["tag", "tags", "delete", "clear"],
)
def test_entries_are_removed_while_their_keys_are_on_two_nodes(
    cache: RuntimeCache, move: Move, carried: list[str], remove: Callable[[RuntimeCache], None]
) -> None:
    cache.set("k", 1, tags=["t"])
    move.begin()
    move.carry(*carried)
    remove(cache)
    assert cache.get("k") is None
    move.finish()
    assert cache.get("k") is None


@ON_TWO_NODES
def test_counters_count_while_their_keys_are_on_two_nodes(
    cache: RuntimeCache, move: Move, carried: list[str]
) -> None:
    cache.set("n", 1, tags=["t"])
    move.begin()
    assert cache.incr("n") == 2
    move.carry(*carried)
    assert cache.incr("n") == 3
    assert cache.incr("missing") is None
    assert cache.remove("n", 2) is False
    assert cache.remove("n", 3) is True
    assert cache.get("n") is None


@pytest.mark.parametrize("carried", [["lock"], [":all"]], ids=["lock", "all"])
def test_a_lock_is_released_while_its_keys_are_on_two_nodes(
    cache: RuntimeCache, move: Move, carried: list[str]
) -> None:
    with cache.lock("lock", ttl=60):
        move.begin()
        move.carry(*carried)
    move.finish()
    assert cache.lock("lock", ttl=60).acquire(blocking=False)


CHANGES: dict[str, tuple[Callable[[RuntimeCache], Any], Any, Any]] = {
    "set": (lambda cache: cache.set("k", 2, tags=["t"]), True, 2),
    "set with a new tag": (lambda cache: cache.set("k", 2, tags=["u"]), True, 2),
    "set_many": (lambda cache: cache.set_many({"k": 2, "new": 3}), [], 2),
    "add": (lambda cache: cache.add("k", 2), False, 1),
    "replace": (lambda cache: cache.replace("k", 1, 2), True, 2),
    "touch": (lambda cache: cache.touch("k", 60), True, 1),
    "pop": (lambda cache: cache.pop("k"), 1, None),
}


@pytest.mark.parametrize("carried", [["k"], [":all"]], ids=["entry", "all"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_waits_until_its_keys_are_on_one_node(
    cache: RuntimeCache, move: Move, name: str, carried: list[str]
) -> None:
    change, result, value = CHANGES[name]
    cache.set("k", 1, tags=["t"])
    move.begin()
    move.carry(*carried)
    with move.finished_once_refused():
        assert change(cache) == result
    assert cache.get("k") == value


NEW: dict[str, tuple[Callable[[RuntimeCache], Any], Any, Any]] = {
    "set": (lambda cache: cache.set("new", 2), True, 2),
    "set with tags": (lambda cache: cache.set("new", 2, tags=["t", "u"], ttl=0.9), True, 2),
    "set_many": (lambda cache: cache.set_many({"k": 3, "new": 2}), [], 2),
    "add": (lambda cache: cache.add("new", 2), True, 2),
    "replace": (lambda cache: cache.replace("new", 1, 2), False, None),
    "remove": (lambda cache: cache.remove("new", 1), False, None),
    "incr": (lambda cache: cache.incr("new"), None, None),
    "touch": (lambda cache: cache.touch("new", 60), False, None),
    "pop": (lambda cache: cache.pop("new"), None, None),
    "get_or_set": (lambda cache: cache.get_or_set("new", lambda: 2, tags=["u"]), 2, 2),
    "lock": (lambda cache: cache.lock("lock", ttl=60).acquire(blocking=False), True, None),
}


@pytest.mark.parametrize("name", NEW)
def test_new_keys_are_written_once_the_records_have_moved(
    cache: RuntimeCache, move: Move, name: str
) -> None:
    change, result, value = NEW[name]
    cache.set("k", 1, tags=["t"])
    move.begin()
    move.carry()
    assert change(cache) == result
    assert cache.get("new") == value
    move.finish()
    assert cache.get("new") == value


def test_a_tag_that_was_new_during_a_move_expires(cache: RuntimeCache, move: Move) -> None:
    cache.set("k", 1)
    move.begin()
    move.carry()
    cache.set("new", 2, tags=["u"])
    move.finish()
    assert cache.get("new") == 2
    cache.expire_tag("u")
    assert cache.get("new") is None


def test_a_move_that_is_given_up_leaves_the_slot_usable(cache: RuntimeCache, move: Move) -> None:
    move.begin()
    assert cache.get("k") is None  # asks the target
    move.give_up()
    assert cache.set("k", 1)
    assert cache.get("k") == 1


@pytest.mark.parametrize("lock", ["sync", "async"])
def test_a_lock_waits_for_the_move_as_for_another_holder(move: Move, lock: str) -> None:
    with opened(move.url(**IMPATIENT)) as backend:
        RuntimeCache(backend=backend).set("k", 1)
        move.begin()  # the record of the namespace stays where a new key cannot be written
        before = move.refusals()

        def acquire() -> bool:
            options = {"ttl": 60, "blocking_timeout": SECONDS}
            if lock == "sync":
                return RuntimeCache(backend=backend).lock("lock", **options).acquire()
            cache = AsyncRuntimeCache(backend=backend)
            return asyncio.run(cache.lock("lock", **options).acquire())

        with ThreadPoolExecutor(1) as threads:
            acquired = threads.submit(acquire)
            # More than one attempt.
            pauses = int(IMPATIENT["socket_timeout"] / 0.05)
            until(lambda: move.refusals() > before + 2 * pauses)
            assert not acquired.done()
            move.finish()
            assert acquired.result(SECONDS)


def test_a_lock_that_cannot_wait_is_an_error_that_says_why(move: Move) -> None:
    with opened(move.url(**IMPATIENT)) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        move.begin()
        for _ in range(FAILURES + 1):
            with pytest.raises(CacheError, match="hash slot is being moved to another node"):
                cache.lock("lock", ttl=60, blocking_timeout=0.3).acquire()
        assert cache.get("k") == 1  # the cache as a whole goes on
        move.finish()
        assert cache.lock("lock", ttl=60).acquire(blocking=False)


def test_a_target_that_does_not_import_is_an_error_within_the_timeout(move: Move) -> None:
    with opened(move.url(**IMPATIENT)) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        identity = move.target.run("CLUSTER", "MYID")
        move.source.run("CLUSTER", "SETSLOT", move.slot, "MIGRATING", identity)
        with pytest.raises(CacheError, match="hash slot is being moved to another node"):
            cache.get("k")


def test_the_node_that_gets_the_slot_is_connected_to_once(own: Cluster) -> None:
    move = Move(own, "moved")
    with opened(move.url()) as backend:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        move.begin()
        move.carry()
        assert cache.get("k") == 1
        before = move.target.client.info("stats")["total_connections_received"]
        for number in range(10):
            cache.set("k", number)
            assert cache.get("k") == number
        assert move.target.client.info("stats")["total_connections_received"] == before
        move.finish()
        assert cache.get("k") == 9
        received = move.target.client.info("stats")["total_connections_received"]
        assert received == before + 1  # it is an ordinary connection, which does not ask
        until(lambda: len(move.source.client.client_list(_type="normal")) == 1)  # the test's own


def test_a_limit_of_connections_holds_for_both_nodes(own: Cluster) -> None:
    move = Move(own, "moved")
    with opened(move.url(max_connections=1)) as backend, ThreadPoolExecutor(8) as threads:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("k", 1)
        move.begin()
        move.carry()
        assert cache.get("k") == 1
        before = move.target.client.info("stats")["total_connections_received"]
        move.target.run("CLIENT", "PAUSE", 200, "ALL")  # or few threads would ask at a time
        assert list(threads.map(lambda _: cache.get("k"), range(8))) == [1] * 8
        assert move.target.client.info("stats")["total_connections_received"] == before


def test_no_answer_is_wrong_during_a_whole_resharding(move: Move) -> None:
    """All threads count, lock, read, write and expire while keys move a few at a time."""
    over = threading.Event()
    holders = threading.Semaphore(1)

    def work(number: int) -> int:
        counted = 0
        with opened(move.url()) as backend:
            cache = RuntimeCache(backend=backend, strict=True)
            while not over.is_set():
                assert cache.incr("n") is not None
                counted += 1
                assert cache.set(f"k{number}", counted, tags=[f"t{number}"])
                assert cache.get(f"k{number}") == counted
                cache.expire_tag(f"t{number}")
                assert cache.get(f"k{number}") is None
                with cache.lock("lock", ttl=600):
                    assert holders.acquire(blocking=False)
                    holders.release()
        return counted

    with opened(move.url()) as backend, ThreadPoolExecutor(4) as threads:
        cache = RuntimeCache(backend=backend, strict=True)
        cache.set("n", 0)
        cache.set_many({f"filler {number}": number for number in range(200)}, tags=["filler"])
        working = [threads.submit(work, number) for number in range(4)]
        try:
            until(lambda: (cache.get("n") or 0) > 20)
            move.begin()
            while keys := move.keys(move.source)[:20]:
                move.carry(*(key.decode() for key in keys))
            until(lambda: move.refusals() > 0)
            move.finish()
            reached = cache.get("n")
            until(lambda: (cache.get("n") or 0) > reached + 20)
        finally:
            over.set()
        assert cache.get("n") == sum(each.result(SECONDS) for each in working)
        assert cache.get("filler 7") == 7
