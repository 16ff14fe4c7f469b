"""Measure what the runtime cache costs, ours against the other caches.

That is the time of a hit, a miss and a write; the time to expire a tag, which must not depend on
how many entries have it; and the memory of an entry. README.md beside this file says how to read
the tables.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import platform
import random
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

os.environ["VERCEL_TELEMETRY_DISABLED"] = "1"  # read when vercel-cache is imported

import redis
from cachetools import TTLCache
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from vercel.cache.cache_build import BuildCache
from vercel.cache.cache_in_memory import InMemoryCache

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.cache import redis_server, vercel_stub
from unigate.cache import Backend, RuntimeCache
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend
from unigate.cache.vercel import VercelBackend

PEERS = ("cachetools", "django", "redis", "vercel-cache")
OURS = "unigate"
TTL = 3600
ROOM = 2**32  # bytes: nothing has to go
VALUE = {
    "id": 7,
    "name": "An example of a product",
    "price": 12.5,
    "in_stock": True,
    "tags": ["garden", "tools", "new"],
    "links": {"self": "https://shop.example.org/products/7", "next": None},
}
KEYS = [f"product:{number}" for number in range(1000)]
ABSENT = [f"absent:{number}" for number in range(1000)]
TAG = "products"
TAGS = [TAG]
BATCH = 1000
CALLS = {"memory": 1000, "Redis": 100, "Vercel": 20}
TAKES = {1: 31, 10_000: 7, 100_000: 3, 1_000_000: 1}


@dataclass(frozen=True)
class Contender:
    """A cache by name, and what is timed of it; `expire` and `fill` where it has tags.

    `fill` stores so many small values under the tag.
    """

    name: str
    get: Callable[[str], Any]
    set: Callable[[str], Any]
    expire: Callable[[str], Any] | None = None
    fill: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Call:
    """Medians over the rounds; `ratio` is the time of ours divided by this, None for ours."""

    store: str
    operation: str
    contender: str
    microseconds: float
    ratio: float | None


@dataclass(frozen=True)
class Expiry:
    """Medians over the takes: to expire a tag, and one write of the thousand that follow."""

    store: str
    contender: str
    entries: int
    microseconds: float
    set_after: float


@dataclass(frozen=True)
class Size:
    """Bytes for each entry, key and value included; `counted` is what the cache itself says."""

    store: str
    contender: str
    bytes: float
    counted: float | None


def small_values(entries: int) -> Iterator[dict[str, bytes]]:
    """Yield that many entries, a batch at a time."""
    for start in range(0, entries, BATCH):
        numbers = range(start, min(start + BATCH, entries))
        yield {f"small:{number}": b"%07d" % number for number in numbers}


def fill(backend: Backend, entries: int, tags: Sequence[str] = TAGS) -> None:
    for values in small_values(entries):
        backend.set_many(values, ttl=TTL, tags=tags)


def ours(backend: Backend) -> Contender:
    """Give our cache as applications have it."""
    cache = RuntimeCache(backend=backend, strict=True)
    return Contender(
        OURS,
        cache.get,
        lambda key: cache.set(key, VALUE, ttl=TTL, tags=TAGS),
        cache.expire_tag,
        partial(fill, backend),
    )


def bare(backend: Backend) -> Contender:
    """Give a backend of ours without the cache in front of it; it keeps bytes."""
    data = json.dumps(VALUE).encode()
    return Contender(
        "unigate's backend alone",
        lambda key: backend.get(key),
        lambda key: backend.set(key, data, ttl=TTL, tags=TAGS, name=None),
    )


def vercel_cache(cache: Any) -> Contender:
    """Give Vercel's client, without what looks for it at each call."""
    options = {"ttl": TTL, "tags": TAGS}

    def fill(entries: int) -> None:
        for values in small_values(entries):
            for key, value in values.items():
                cache.set(key, value, options)

    return Contender(
        "vercel-cache",
        cache.get,
        lambda key: cache.set(key, VALUE, options),
        cache.expire_tag,
        fill,
    )


def django_cache(cache: Any) -> Contender:
    return Contender("Django", cache.get, lambda key: cache.set(key, VALUE))


def locked_json() -> Contender:
    """Give TTLCache what ours has besides tags: a lock, and copies that are JSON."""
    cache: TTLCache[str, str] = TTLCache(ROOM, TTL)
    lock = threading.Lock()

    def get(key: str) -> Any:
        with lock:
            text = cache.get(key)
        return None if text is None else json.loads(text)

    def set(key: str) -> None:
        text = json.dumps(VALUE)
        with lock:
            cache[key] = text

    return Contender("cachetools, lock and JSON", get, set)


def memory() -> list[Contender]:
    """Name who keeps values in this process; the floor gives out the object that it was given."""
    floor: TTLCache[str, Any] = TTLCache(ROOM, TTL)
    options = {"OPTIONS": {"MAX_ENTRIES": ROOM}, "TIMEOUT": TTL}
    return [
        ours(MemoryBackend(ROOM)),
        bare(MemoryBackend(ROOM)),
        vercel_cache(InMemoryCache()),
        django_cache(LocMemCache("benchmark", options)),
        locked_json(),
        Contender("floor: cachetools", floor.get, lambda key: floor.__setitem__(key, VALUE)),
    ]


def in_redis(server: redis_server.Server) -> list[Contender]:
    """Name who keeps values in Redis; the floor is one command of redis-py, and JSON."""
    client = redis.Redis(port=server.port, protocol=2)

    def get(key: str) -> Any:
        found: Any = client.get(key)
        return None if found is None else json.loads(found)

    return [
        ours(RedisBackend(server.url())),
        bare(RedisBackend(server.url(namespace="bare"))),
        django_cache(RedisCache(f"redis://127.0.0.1:{server.port}/1", {"TIMEOUT": TTL})),
        Contender("floor: redis-py", get, lambda key: client.set(key, json.dumps(VALUE), ex=TTL)),
    ]


def in_vercel(port: int) -> list[Contender]:
    """Name who keeps values in the stub; the floor is one request of http.client, and JSON."""
    address = f"http://127.0.0.1:{port}{vercel_stub.BASE}"
    headers = {"authorization": vercel_stub.TOKEN}
    connection = HTTPConnection("127.0.0.1", port)

    def ask(method: str, key: str, body: str | None = None) -> Any:
        connection.request(method, f"{vercel_stub.BASE}floor-{key}", body, headers)
        response = connection.getresponse()
        found = response.read()
        return json.loads(found) if found and response.status == 200 else None

    return [
        ours(VercelBackend(address, headers, timeout=10)),
        vercel_cache(BuildCache(endpoint=address, headers=headers)),
        Contender(
            "floor: http.client",
            partial(ask, "GET"),
            lambda key: ask("POST", key, json.dumps(VALUE)),
        ),
    ]


@contextmanager
def stub() -> Iterator[int]:
    """Run Vercel's stub in a process of its own and give its port."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=serve_stub, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def serve_stub(pipe: Any) -> None:
    """Serve until a word comes."""
    with vercel_stub.serve() as server:
        pipe.send(server.server_address[1])
        pipe.recv()


def check(contender: Contender) -> None:
    """Exit on a wrong answer, so that no failure is timed."""
    for key in KEYS:
        contender.set(key)
    found = contender.get(KEYS[-1])
    if isinstance(found, bytes):
        found = json.loads(found)
    if found != VALUE or contender.get(ABSENT[0]) is not None:
        raise SystemExit(f"{contender.name}: wrong answer, {found!r}")


def time_calls(call: Callable[[str], Any], keys: Sequence[str]) -> float:
    """Return the mean microseconds of one call, after one that is not counted."""
    call(keys[0])
    start = perf_counter()
    for key in keys:
        call(key)
    return (perf_counter() - start) / len(keys) * 1e6


def calls(stores: dict[str, list[Contender]], rounds: int) -> Iterator[Call]:
    """Take `rounds` turns through all, the contenders in a new order each time."""
    shuffle = random.Random(11).sample
    times: dict[tuple[str, str], dict[str, list[float]]] = {}
    for contenders in stores.values():
        for one in contenders:
            check(one)
    for _ in range(rounds):
        for store, contenders in stores.items():
            part = slice(CALLS[store])
            for operation, keys in (("hit", KEYS), ("miss", ABSENT), ("set", KEYS)):
                found = times.setdefault((store, operation), {one.name: [] for one in contenders})
                for one in shuffle(contenders, len(contenders)):
                    call = one.set if operation == "set" else one.get
                    found[one.name].append(time_calls(call, keys[part]))
    for (store, operation), found in times.items():
        for name, theirs in found.items():
            pairs = zip(found[OURS], theirs, strict=True)
            ratio = None if name == OURS else median(mine / other for mine, other in pairs)
            yield Call(store, operation, name, median(theirs), ratio)


def expiries(
    store: str, contender: Contender, most: int, empty: Callable[[], Any]
) -> Iterator[Expiry]:
    """Time one call for a tag, with more and more entries under it."""
    if contender.fill is None or contender.expire is None:
        return
    for entries, takes in TAKES.items():
        if entries > most:
            break
        took, after = [], []
        for _ in range(takes):
            contender.fill(entries)
            gc.collect()  # or the one that the filling left may fall into the time
            contender.expire("another tag")
            start = perf_counter()
            contender.expire(TAG)
            took.append((perf_counter() - start) * 1e6)
            after.append(time_calls(contender.set, KEYS))
            empty()
        yield Expiry(store, contender.name, entries, median(took), median(after))


def traced(make: Callable[[int], Any], entries: int) -> tuple[float, Any]:
    """Return the bytes that Python has asked for, for each entry, and what has them."""
    gc.collect()
    tracemalloc.start()
    made = make(entries)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / entries, made


def memory_sizes(entries: int) -> Iterator[Size]:
    def plain(entries: int) -> Any:
        return {key: value for part in small_values(entries) for key, value in part.items()}

    def in_cachetools(entries: int) -> Any:
        cache: TTLCache[str, bytes] = TTLCache(ROOM, TTL)
        for values in small_values(entries):
            cache.update(values)
        return cache

    def in_ours(tags: Sequence[str], entries: int) -> Any:
        backend = MemoryBackend(ROOM)
        fill(backend, entries, tags)
        return backend

    def in_vercel_cache(entries: int) -> Any:
        contender = vercel_cache(InMemoryCache())
        assert contender.fill is not None
        contender.fill(entries)
        return contender

    makers: dict[str, Callable[[int], Any]] = {
        "unigate": partial(in_ours, ()),
        "unigate, one tag": partial(in_ours, TAGS),
        "vercel-cache, one tag": in_vercel_cache,
        "cachetools": in_cachetools,
        "floor: dict": plain,
    }
    for name, make in makers.items():
        held, made = traced(make, entries)
        counted = made.size()["bytes"] / entries if isinstance(made, MemoryBackend) else None
        yield Size("memory", name, held, counted)
        del made


def redis_sizes(server: redis_server.Server, entries: int) -> Iterator[Size]:
    client = server.client
    django = RedisCache(f"redis://127.0.0.1:{server.port}", {"TIMEOUT": TTL})

    def in_django() -> None:
        for values in small_values(entries):
            django.set_many(values)

    def plain() -> None:
        for values in small_values(entries):
            pipeline = client.pipeline(transaction=False)
            for key, value in values.items():
                pipeline.set(key, value, ex=TTL)
            pipeline.execute()

    backend = RedisBackend(server.url())
    fillers: dict[str, Callable[[], None]] = {
        "unigate": partial(fill, backend, entries, ()),
        "unigate, one tag": partial(fill, backend, entries),
        "Django": in_django,
        "floor: redis-py": plain,
    }
    for name, filler in fillers.items():
        client.flushall()
        before: Any = client.info("memory")
        filler()
        after: Any = client.info("memory")
        yield Size("Redis", name, (after["used_memory"] - before["used_memory"]) / entries, None)
    client.flushall()
    backend.close()
    django.close()


def run(rounds: int, most: int) -> tuple[list[Call], list[Expiry], list[Size]]:
    """Measure everything there is, times first."""
    with ExitStack() as stack:
        server = stack.enter_context(redis_server.Server())
        port = stack.enter_context(stub())
        stores = {"memory": memory(), "Redis": in_redis(server), "Vercel": in_vercel(port)}
        found = list(calls(stores, rounds))
        server.client.flushall()
        expired: list[Expiry] = []
        backend = MemoryBackend(ROOM)
        expired += expiries("memory", ours(backend), most, backend.clear)
        theirs = InMemoryCache()
        expired += expiries("memory", vercel_cache(theirs), most, theirs._cache.clear)
        expired += expiries("Redis", stores["Redis"][0], most, server.client.flushall)
        # How many entries the service has is the service's affair.
        for one in stores["Vercel"][:2]:
            expired += expiries("Vercel", one, 1, lambda: None)
        sizes = [*memory_sizes(most), *redis_sizes(server, most)]
    return found, expired, sizes


def machine() -> dict[str, str]:
    """Name what the figures depend on: interpreter, processor, versions of the peers."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in PEERS},
    }


def tables(found: list[Call], expired: list[Expiry], sizes: list[Size]) -> str:
    """Lay the results out in aligned columns, one block for each question."""
    lines = [", ".join(f"{name} {value}" for name, value in machine().items())]
    block = None
    for call in found:
        if block != (block := f"{call.store}, {call.operation}"):
            lines += ["", f"{block:<34}{'microseconds':>12}{'ours / this':>14}"]
        ratio = "" if call.ratio is None else f"{call.ratio:.3f}"
        lines.append(f"  {call.contender:<32}{call.microseconds:>12.1f}{ratio:>14}".rstrip())
    for expiry in expired:
        if block != (block := f"{expiry.store}, expire a tag: {expiry.contender}"):
            lines += ["", f"{block:<40}{'microseconds':>14}{'a set after':>14}"]
        times = f"{expiry.microseconds:>14.1f}{expiry.set_after:>14.1f}"
        lines.append(f"  {expiry.entries:>9,} entries{'':<20}{times}")
    for size in sizes:
        if block != (block := f"{size.store}, bytes of an entry"):
            lines += ["", f"{block:<34}{'held':>12}{'counted':>14}"]
        counted = "" if size.counted is None else f"{size.counted:.0f}"
        lines.append(f"  {size.contender:<32}{size.bytes:>12.0f}{counted:>14}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30, help="turns of each (default 30)")
    parser.add_argument(
        "--million", action="store_true", help="up to 1,000,000 entries (default 100,000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    settings.configure()
    results = run(options.rounds, 1_000_000 if options.million else 100_000)
    if options.json:
        found, expired, sizes = results
        named: dict[str, Sequence[Any]] = {"calls": found, "expiries": expired, "sizes": sizes}
        rows = {name: [asdict(row) for row in part] for name, part in named.items()}
        print(json.dumps({"machine": machine(), **rows}, indent=2))
    else:
        print(tables(*results))


if __name__ == "__main__":
    main()
