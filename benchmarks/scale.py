"""Measure the runtime cache with 1,000 instances on a Redis Cluster.

An instance is a backend with a client of its own, as in a function's execution environment. The
instances are spread over a few processes. README.md in this directory explains the figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.cache.redis_deployments import ReplicatedCluster
from tests.cache.redis_server import Server
from tests.waiting import SECONDS, until
from unigate.cache import RuntimeCache
from unigate.cache.redis import RedisBackend

PROCESSES = 4
BUSY = 100  # instances that use several threads
TTL = 600
VALUE = {"id": 7, "name": "An example of a product", "price": 12.5, "tags": ["garden", "tools"]}
TAGS = ["products"]
NAMESPACE = "unigate"
# What the servers and the benchmark itself send.
OVERHEAD = {"info", "replconf", "psync", "ping", "cluster", "config", "dbsize", "command"}
LIFE = 3.0  # seconds, for what a day's traffic stores
HOURS = 24
TAGS_OF_ENTRY = 100


class Instance:
    """One function instance: a cache with a client that no other instance uses."""

    def __init__(self, url: str, number: int) -> None:
        self.backend = RedisBackend(url)
        self.cache = RuntimeCache(backend=self.backend, strict=True)
        self.number = number
        self.made = 0

    def call(self, operation: str, turn: int = 0) -> None:
        """Do one operation, on keys that make it what its name says."""
        cache, own = self.cache, f"own:{self.number}"
        calls: dict[str, Callable[[], Any]] = {
            "connect": lambda: cache.get("absent"),
            "set": lambda: cache.set(own, VALUE, ttl=TTL, tags=TAGS),
            "hit": lambda: cache.get(own),
            "miss": lambda: cache.get(f"absent:{self.number}"),
            "add": lambda: cache.add(f"new:{turn}:{self.number}", VALUE, ttl=TTL, tags=TAGS),
            "add to a present key": lambda: cache.add(own, VALUE, ttl=TTL, tags=TAGS),
            "count": lambda: cache.incr("visits"),
            "get_or_set of a present key": lambda: cache.get_or_set(own, self.make, ttl=TTL),
            "get_or_set of a missing key": lambda: cache.get_or_set(
                f"made:{turn}:{self.number}", self.make, ttl=TTL, tags=TAGS
            ),
            "expire_tag": lambda: cache.expire_tag(f"tag:{self.number}"),
        }
        calls[operation]()

    def make(self, seconds: float = 0.0) -> Any:
        """Make a value as an expensive query would."""
        self.made += 1
        time.sleep(seconds)
        return VALUE

    def want(self, how: str, key: str, seconds: float) -> None:
        """Get a value that takes some seconds to make, if it is missing."""
        make = partial(self.make, seconds)
        if how == "get_or_set":
            self.cache.get_or_set(key, make, ttl=TTL, tags=TAGS)
        elif self.cache.get(key) is None:
            self.cache.set(key, make(), ttl=TTL, tags=TAGS)


OPERATIONS = [
    *("set", "hit", "miss", "add", "add to a present key", "count"),
    *("get_or_set of a present key", "get_or_set of a missing key", "expire_tag"),
]


def serve(pipe: Any, url: str, numbers: range, threads: int) -> None:
    """Hold instances and do what the pipe says, until it says nothing more."""
    instances: list[Instance] = []
    busy = range(len(numbers))[: BUSY // PROCESSES]
    size = max(len(numbers), len(busy) * threads)
    with ThreadPoolExecutor(size) as pool:
        # Started before anything is timed; the barrier makes each call start a thread.
        started = threading.Barrier(size)
        list(pool.map(lambda _: started.wait(SECONDS), range(started.parties)))
        pipe.send("ready")
        while (request := pipe.recv()) is not None:
            kind, *rest = request
            if kind == "open":
                instances = [Instance(url, number) for number in numbers]
                answer: Any = None
            elif kind == "call":
                answer = timed(pool, [partial(each.call, *rest) for each in instances])
            elif kind == "threads":
                calls = [partial(instances[number].call, "hit") for number in busy]
                answer = timed(pool, calls * threads)
            else:
                for each in instances:
                    each.made = 0
                answer = timed(pool, [partial(each.want, *rest) for each in instances])
                answer["made"] = sum(each.made for each in instances)
            pipe.send(answer)
        for each in instances:
            each.backend.close()


def timed(pool: ThreadPoolExecutor, calls: Sequence[Callable[[], None]]) -> dict[str, Any]:
    """Make all calls at the same time; return the seconds of each, and the errors."""
    gate = threading.Event()

    def one(call: Callable[[], None]) -> tuple[float, str | None]:
        gate.wait(SECONDS)
        start = time.perf_counter()
        try:
            call()
        except Exception as error:
            return time.perf_counter() - start, f"{type(error).__name__}: {error}"
        return time.perf_counter() - start, None

    waiting = [pool.submit(one, call) for call in calls]
    gate.set()
    results = [each.result() for each in waiting]
    errors = [error for _, error in results if error]
    return {"seconds": [seconds for seconds, _ in results], "errors": errors}


@dataclass(frozen=True)
class Round:
    """What all instances did at the same time."""

    seconds: list[float]
    errors: list[str]
    made: int

    def milliseconds(self) -> dict[str, float]:
        ordered = sorted(self.seconds)
        named = {"median": 0.5, "p99": 0.99, "most": 1.0}
        last = len(ordered) - 1
        return {name: round(ordered[int(last * part)] * 1000, 1) for name, part in named.items()}


class Fleet:
    """Instances in a few processes."""

    def __init__(self, url: str, instances: int, threads: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes, self._processes = [], []
        for number in range(PROCESSES):
            here, there = spawn.Pipe()
            numbers = range(instances)[number::PROCESSES]
            process = spawn.Process(target=serve, args=(there, url, numbers, threads), daemon=True)
            process.start()
            self._pipes.append(here)
            self._processes.append(process)
        self._answers()

    def ask(self, *request: Any) -> list[Any]:
        for pipe in self._pipes:
            pipe.send(request)
        return self._answers()

    def round(self, *request: Any) -> Round:
        """Let all instances do something; exit if a call has failed."""
        parts = self.ask(*request)
        result = Round(
            [each for part in parts for each in part["seconds"]],
            [each for part in parts for each in part["errors"]],
            sum(part.get("made", 0) for part in parts),
        )
        if result.errors:
            raise SystemExit(f"{request}: {len(result.errors)} failed: {result.errors[0]}")
        return result

    def _answers(self) -> list[Any]:
        answers = []
        for pipe in self._pipes:
            if not pipe.poll(SECONDS * 10):
                raise SystemExit("A process of the benchmark does not answer.")
            answers.append(pipe.recv())
        return answers

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(SECONDS)


def clients(server: Server) -> int:
    """Return how many connections applications hold to a server."""
    rows: Any = server.client.client_list(_type="normal")
    return len(rows) - 1  # without the one that asks


def commands(servers: list[Server]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the statistics of commands from applications."""
    for server in servers:
        stats: Mapping[str, Any] = server.client.info("commandstats")
        for name, row in stats.items():
            command = name.removeprefix("cmdstat_").partition("|")[0]
            if command not in OVERHEAD:
                yield name.removeprefix("cmdstat_"), row


@contextmanager
def counted(servers: list[Server], instances: int) -> Iterator[dict[str, Any]]:
    """Fill a dictionary with the commands, and the processor's time, of an instance's call.

    `requests` are the reads from sockets: a script is one, with all of its commands.
    """
    for server in servers:
        server.run("CONFIG", "RESETSTAT")
    before = sum(map(processor, servers))
    counts: dict[str, Any] = {}
    yield counts
    spent = sum(map(processor, servers)) - before
    calls: Counter[str] = Counter()
    for name, row in commands(servers):
        calls[name] += int(row["calls"])
        if row["rejected_calls"]:
            calls[f"{name}, refused"] += int(row["rejected_calls"])
    reads = sum(server.client.info("stats")["total_reads_processed"] for server in servers)
    of_call = {name: round(count / instances, 3) for name, count in sorted(calls.items())}
    counts["commands"] = {name: count for name, count in of_call.items() if count}
    counts["requests"] = round(reads / instances, 2)
    counts["processor_microseconds"] = round(spent * 1e6 / instances, 1)


def processor(server: Server) -> float:
    """Return the seconds of processor time that a server has used."""
    usage: Any = server.client.info("cpu")
    return float(usage["used_cpu_user"] + usage["used_cpu_sys"])


def connections(cluster: ReplicatedCluster, owner: Server, fleet: Fleet, size: int) -> Any:
    """Connect all instances at once, then use some from several threads while replies are slow."""
    nodes = [*cluster.nodes, *cluster.replicas]
    idle = {node.port: clients(node) for node in nodes}
    fleet.ask("open")
    with counted(nodes, size) as counts:
        result = fleet.round("call", "connect")
    held = [clients(node) - idle[node.port] for node in nodes]
    return {
        "instances": size,
        "held": sum(held),
        "held_by_the_owner": clients(owner) - idle[owner.port],
        "of_an_instance": round(sum(held) / size, 3),
        "all_at_once_milliseconds": result.milliseconds(),
        **counts,
    }


def threaded(owner: Server, fleet: Fleet, threads: int) -> Any:
    """Call some instances from several threads each, while the server is slow."""
    before = clients(owner)
    owner.run("CLIENT", "PAUSE", "1000", "ALL")
    instances = len(fleet.round("threads").seconds) // threads
    of_an_instance = 1 + (clients(owner) - before) / instances
    return {"instances": instances, "threads": threads, "of_an_instance": round(of_an_instance, 2)}


def operations(owner: Server, fleet: Fleet, size: int) -> Iterator[dict[str, Any]]:
    """Count the commands of each operation, made by each instance for the second time."""
    RuntimeCache(backend=RedisBackend(owner.url()), strict=True).set("visits", 0, ttl=TTL)
    for operation in OPERATIONS:
        fleet.round("call", operation, 0)  # loads the scripts, learns the layout of entries
        with counted([owner], size) as counts:
            result = fleet.round("call", operation, 1)
        yield {"operation": operation, **counts, "milliseconds": result.milliseconds()}


def herds(owner: Server, fleet: Fleet, size: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Let all instances miss the same key at the same time."""
    for how in ("get and set", "get_or_set"):
        with counted([owner], size) as counts:
            result = fleet.round("want", how, f"herd:{how}", seconds)
        yield {
            "how": how,
            "instances": size,
            "factory_seconds": seconds,
            "factory_calls": result.made,
            **counts,
            "milliseconds": result.milliseconds(),
        }


def cold_starts(urls: dict[str, str], count: int) -> list[dict[str, Any]]:
    """Time the first and the second command of new clients, one after the other, in turns."""
    first: dict[str, list[float]] = {where: [] for where in urls}
    second: dict[str, list[float]] = {where: [] for where in urls}
    for number in range(count):
        for where, url in urls.items():
            instance = Instance(url, number)
            for times in (first[where], second[where]):
                start = time.perf_counter()
                instance.call("connect")
                times.append((time.perf_counter() - start) * 1000)
            instance.backend.close()
    return [
        {
            "where": where,
            "first_milliseconds": round(median(first[where]), 3),
            "second_milliseconds": round(median(second[where]), 3),
        }
        for where in urls
    ]


def refused(server: Server, calls: int = 1000) -> dict[str, float]:
    """Time an instance that a full server refuses: its first `get_or_set`, and the calls after."""
    server.run("CONFIG", "SET", "maxclients", 1)
    cache = RuntimeCache(backend=RedisBackend(server.url()))
    times = []
    for _ in range(1 + calls):
        start = time.perf_counter()
        cache.get_or_set("key", lambda: VALUE, ttl=TTL)
        times.append((time.perf_counter() - start) * 1000)
    server.run("CONFIG", "SET", "maxclients", 10_000)
    return {
        "first_milliseconds": round(times[0], 1),
        "then_milliseconds": round(median(times[1:]), 3),
        "errors": cache.stats()["errors"],
    }


def import_times(count: int = 7) -> dict[str, float]:
    """Return the processor time that the first import of the backend takes after `unigate`'s."""
    code = (
        "import time, unigate; start = time.process_time(); import unigate.cache.redis;"
        "print(time.process_time() - start)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(count)
    ]
    return {"import_processor_milliseconds": round(median(times) * 1000, 1)}


@dataclass(frozen=True)
class Memory:
    """What a server holds; `without_ttl` are the keys that would stay for ever."""

    when: str
    keys: int
    without_ttl: int
    megabytes: float

    @classmethod
    def of(cls, server: Server, when: str, empty: float) -> Memory:
        info: Any = server.client.info("memory")
        space: Any = server.client.info("keyspace").get("db0", {"keys": 0, "expires": 0})
        megabytes = round((info["used_memory"] - empty) / 1e6, 1)
        return cls(when, space["keys"], space["keys"] - space["expires"], megabytes)


def memory(tags: int) -> Iterator[Memory]:
    """Store entries with many tags and expire all of these; then do so in the 24 parts of a day.

    The ttl of a day is seconds instead of hours, and the tags are new in each hour.
    """
    with Server() as server:
        info: Any = server.client.info("memory")
        report = partial(Memory.of, server, empty=info["used_memory"])
        cache = RuntimeCache(backend=RedisBackend(server.url()), strict=True)
        fill(cache, "all", tags, ttl=TTL)
        yield report("stored")
        expire(cache, "all", tags)
        yield report("all tags expired")
        server.run("FLUSHALL", "SYNC")
        most = report("most of the day")
        for hour in range(HOURS):
            fill(cache, str(hour), tags // HOURS, ttl=LIFE)
            expire(cache, str(hour), tags // HOURS // 2)
            now = report("most of the day")
            most = max(most, now, key=lambda each: each.keys)
        yield most
        until(lambda: not server.run("DBSIZE"))
        yield report("after the longest ttl of the day")


def batches(name: str, tags: int) -> Iterator[list[str]]:
    for start in range(0, tags, TAGS_OF_ENTRY):
        yield [f"{name}:{number}" for number in range(start, start + TAGS_OF_ENTRY)]


def fill(cache: RuntimeCache, name: str, tags: int, ttl: float) -> None:
    for batch in batches(name, tags):
        cache.set(batch[0], 1, ttl=ttl, tags=batch)


def expire(cache: RuntimeCache, name: str, tags: int) -> None:
    for batch in batches(name, tags):
        cache.expire_tag(batch)


def run(size: int, tags: int, threads: int) -> dict[str, Any]:
    """Measure everything."""
    with ReplicatedCluster() as cluster:
        owner = cluster.owner(f"{{{NAMESPACE}}}")
        fleet = Fleet(cluster.url(), size, threads)
        results = {
            "connections": connections(cluster, owner, fleet, size),
            "operations": list(operations(owner, fleet, size)),
            "herds": list(herds(owner, fleet, size, seconds=2.0)),
            "threads": threaded(owner, fleet, threads),
        }
        fleet.close()
        with Server() as server:
            cold = cold_starts({"server": server.url(), "cluster": cluster.url()}, count=200)
            full = refused(server)
    stages = [asdict(stage) for stage in memory(tags)]
    rest = {"refused": full, **import_times(), "tags": tags, "memory": stages}
    return {**results, "cold_starts": cold, **rest}


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processes": str(PROCESSES),
        "redis-py": version("redis"),
    }


def table(results: dict[str, Any]) -> str:
    """Format each measurement in a line."""
    lines = []
    for name, rows in results.items():
        lines += ["", name]
        for row in rows if isinstance(rows, list) else [rows]:
            lines.append(f"  {json.dumps(row)}")
    return "\n".join(lines).lstrip()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--instances", type=int, default=1000, help="default 1,000")
    parser.add_argument("--tags", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument("--threads", type=int, default=8, help="of a busy instance (default 8)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args()
    for name, least in ("instances", PROCESSES), ("tags", HOURS * TAGS_OF_ENTRY), ("threads", 1):
        if getattr(options, name) < least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    logging.getLogger("unigate").addHandler(logging.NullHandler())  # a refused instance warns
    results = {
        "machine": machine(),
        **run(options.instances, options.tags, options.threads),
    }
    print(json.dumps(results, indent=2) if options.json else table(results))


if __name__ == "__main__":
    main()
