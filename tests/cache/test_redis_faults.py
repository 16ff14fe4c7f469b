"""32 threads while Redis fails: no call raises, and no answer is wrong.

A read may be a miss at any time. It must never give a value that was replaced or expired by a call
that has succeeded. Redis replicates asynchronously, so a primary that is killed may take what it
confirmed in its last moments with it: such confirmations do not count.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from statistics import quantiles
from typing import Any

import pytest
import redis

from tests.cache.redis_deployments import SERVICE, ReplicatedCluster, SentinelDeployment
from tests.cache.redis_server import PATIENT, Server
from tests.cache.tcp_proxy import Proxy
from tests.waiting import SECONDS, until
from unigate import CacheError
from unigate.cache import RuntimeCache
from unigate.cache.redis import RedisBackend

pytestmark = pytest.mark.usefixtures("bounded")

THREADS = 32
TIMES = {"socket_connect_timeout": 0.25, "socket_timeout": 0.5}  # the defaults
REPLICATION = 0.2  # seconds in which a replica has received what a primary has confirmed


class Worker:
    """One thread's calls, on keys of its own, and what they may answer."""

    def __init__(self, number: int, load: Load) -> None:
        self._load = load
        self._keys = [f"key {number} {each}" for each in range(4)]
        self._tags = {key: f"tag of {key}" for key in self._keys}
        # Values, and when a call has replaced or removed them for certain.
        self._possible: dict[str, dict[Any, float | None]] = {key: {} for key in self._keys}
        self._new = count(1)
        self._random = random.Random(number)
        self.hits = 0
        self.misses = 0
        self.wrong: list[str] = []
        self.locked: list[tuple[str, float]] = []
        self.durations: list[tuple[float, float]] = []

    def work(self) -> None:
        changes = [self._write, self._expire, self._delete, self._lock]
        calls = [self._read, self._read, self._read, *changes]
        while not self._load.over.is_set():
            key = self._random.choice(self._keys)
            call = self._random.choice(calls)
            start = time.monotonic()
            call(key)
            end = time.monotonic()
            self.durations.append((start, end - start))

    def _read(self, key: str) -> None:
        value = self._load.reader.get(key)
        if value is None:
            self.misses += 1
        elif value in self._allowed(key):
            self.hits += 1
        else:
            self.wrong.append(f"{key} is {value}, not of {self._possible[key]}")

    def _allowed(self, key: str) -> set[Any]:
        """Return the values that no call has replaced or removed for certain."""
        possible = self._possible[key].items()
        return {value for value, gone in possible if gone is None or self._load.is_lost(gone)}

    def _write(self, key: str) -> None:
        value = next(self._new)
        self._possible[key][value] = None
        self._certain(
            key, value, lambda: self._load.writer.set(key, value, tags=[self._tags[key]], ttl=60)
        )

    def _expire(self, key: str) -> None:
        self._certain(key, None, lambda: self._load.writer.expire_tag(self._tags[key]))

    def _delete(self, key: str) -> None:
        self._certain(key, None, lambda: self._load.writer.delete(key))

    def _lock(self, key: str) -> None:
        """Take a lock for which all threads compete; there is a new one every few milliseconds."""
        name = f"lock {int(time.monotonic() * 100)}"
        if self._load.reader.add(name, 1, ttl=60):
            self.locked.append((name, time.monotonic()))

    def _certain(self, key: str, new: Any, call: Callable[[], object]) -> None:
        """Make a call of the strict cache; where it succeeds, all values but `new` are gone."""
        try:
            call()
        except CacheError:
            return
        now = time.monotonic()
        gone = dict.fromkeys(self._allowed(key) - {new}, now)
        recent = {
            value: when
            for value, when in self._possible[key].items()
            if when is None or when > now - 2 * REPLICATION or self._load.is_lost(when)
        }
        self._possible[key] = recent | gone


class Load:
    """Threads that read and write through two backends, as two processes would."""

    def __init__(self, url: str) -> None:
        self._backends = [RedisBackend(url), RedisBackend(url)]
        self.reader = RuntimeCache(backend=self._backends[0])
        self.writer = RuntimeCache(backend=self._backends[1], strict=True)
        self.over = threading.Event()
        self._death: tuple[float, float] | None = None
        self.workers = [Worker(number, self) for number in range(THREADS)]

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(THREADS) as threads:
            working = [threads.submit(worker.work) for worker in self.workers]
            try:
                self.await_hits()
                yield
                self.await_hits()
            finally:
                self.over.set()
            for each in working:
                each.result(SECONDS)  # a call that raised is a failed request
        for backend in self._backends:
            backend.close()
        assert [wrong for worker in self.workers for wrong in worker.wrong] == []
        self._check_locks()

    def _check_locks(self) -> None:
        """Check that each lock had one holder, but for those that a primary took with it."""
        holders: dict[str, int] = {}
        for worker in self.workers:
            for name, when in worker.locked:
                holders[name] = holders.get(name, 0) + (not self.is_lost(when))
        assert len(holders) > 10
        assert {name: number for name, number in holders.items() if number > 1} == {}

    def kill(self, primary: Server) -> None:
        """Kill a primary that has a replica."""
        start = time.monotonic()
        self._death = (start - REPLICATION, start + SECONDS)
        primary.kill()
        self._death = (start - REPLICATION, time.monotonic())

    def expect_demotion(self) -> None:
        """Expect a primary to give its role away; it may confirm writes until then."""
        self._death = (time.monotonic() - REPLICATION, time.monotonic() + SECONDS)

    def is_lost(self, confirmed: float) -> bool:
        """Return True if a primary may have died before its replica had what it confirmed."""
        return self._death is not None and self._death[0] < confirmed < self._death[1]

    def await_hits(self) -> None:
        """Wait until every thread has hits again."""
        before = [worker.hits for worker in self.workers]
        until(lambda: all(w.hits > b for w, b in zip(self.workers, before, strict=True)))

    def latencies(self, start: float, end: float) -> str:
        times = [
            duration
            for worker in self.workers
            for began, duration in worker.durations
            if start <= began + duration < end
        ]
        percentiles = quantiles(times, n=1000)
        return (
            f"{len(times)} calls, median {percentiles[499] * 1e3:.2f} ms, "
            f"99 % {percentiles[989] * 1e3:.1f} ms, longest {max(times) * 1e3:.0f} ms"
        )


@pytest.fixture(autouse=True)
def _short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unigate.cache.guard.REST", 0.3)


@pytest.fixture
def measured(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Any]:
    """Run a load; print the latency of its calls before, during and after the fault."""

    @contextmanager
    def run(url: str) -> Iterator[Load]:
        load = Load(url)
        with load.running():
            start = time.monotonic()
            yield load
            end = time.monotonic()
        with capsys.disabled():
            print(f"\n{request.node.name}")
            for name, times in {
                "before": (0.0, start), "during": (start, end), "after": (end, float("inf"))
            }.items():  # fmt: skip
                print(f"  {name}: {load.latencies(*times)}")

    return run


Measured = Callable[[str], Any]


def test_a_primary_is_killed_and_its_replica_promoted(measured: Measured) -> None:
    with SentinelDeployment() as deployed, measured(deployed.url(**TIMES)) as load:
        load.kill(deployed.primary)
        deployed.await_promotion()
        load.await_hits()


def test_a_primary_is_demoted_and_lives_on(measured: Measured) -> None:
    with SentinelDeployment() as deployed, measured(deployed.url(**TIMES)) as load:
        load.expect_demotion()
        deployed.sentinels[0].run("SENTINEL", "FAILOVER", SERVICE)
        deployed.await_promotion()
        load.await_hits()


def test_a_node_of_a_cluster_is_killed(measured: Measured) -> None:
    with ReplicatedCluster() as deployed, measured(deployed.url(**TIMES)) as load:
        owner = deployed.owner("{unigate}")
        load.kill(owner)
        deployed.await_promotion(deployed.replicas[deployed.nodes.index(owner)])
        load.await_hits()


def test_the_memory_is_full(measured: Measured) -> None:
    options = ["--maxmemory-policy", "noeviction"]
    with Server(*options) as deployed, measured(deployed.url(**TIMES)) as load:
        deployed.run("CONFIG", "SET", "maxmemory", "1mb")
        time.sleep(1)
        deployed.run("CONFIG", "SET", "maxmemory", "0")
        load.await_hits()


def test_a_server_hangs(measured: Measured) -> None:
    with Server() as deployed, measured(deployed.url(**TIMES)) as load:
        deployed.freeze()
        time.sleep(2)
        deployed.thaw()
        load.await_hits()


def test_a_server_is_slow(measured: Measured) -> None:
    with Server() as deployed, measured(deployed.url(**TIMES)) as load:
        for milliseconds in (100, 300, 450, 700):
            deployed.run("CLIENT", "PAUSE", milliseconds)
            time.sleep(1)
        load.await_hits()


def test_connections_are_half_open(measured: Measured) -> None:
    with Server() as deployed, Proxy(deployed.port) as proxy, measured(proxy.url()) as load:
        proxy.silence()
        load.await_hits()


def test_connections_are_lost(measured: Measured) -> None:
    with Server() as deployed, Proxy(deployed.port) as proxy, measured(proxy.url()) as load:
        for _ in range(20):
            proxy.cut_next_reply()
            time.sleep(0.05)
        load.await_hits()


def test_a_client_that_sentinels_gave_follows_a_failover() -> None:
    with SentinelDeployment() as deployed:
        nodes = [("127.0.0.1", sentinel.port) for sentinel in deployed.sentinels]
        client = redis.Sentinel(nodes, **PATIENT).master_for(SERVICE)
        backend = RedisBackend(client=client)
        backend.set("k", b"1", ttl=None, tags=["t"], name=None)
        deployed.sentinels[0].run("SENTINEL", "FAILOVER", SERVICE)
        deployed.await_promotion()
        until(lambda: deployed.primary.client.info("replication")["role"] == "slave")
        backend.expire_tags(["t"])
        assert backend.get("k") is None
        client.close()
