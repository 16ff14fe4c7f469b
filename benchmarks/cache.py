"""Compare the runtime cache with other caches.

Measured are the time of a hit, a miss, a write, an `add` of a missing and of a present key, and a
count, the time to expire a tag, which must not depend on the number of its entries, and the memory
of an entry. README.md in this directory explains the tables.
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
from tests.waiting import SECONDS
from unigate.cache import Backend, RuntimeCache
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend
from unigate.cache.vercel import VercelBackend

PEERS = ("cachetools", "django", "redis", "vercel-cache")
UNIGATE = "unigate"
TTL = 3600
ROOM = 2**32  # bytes, more than is stored, so that nothing is evicted
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
COUNTER = "visits"
TAG = "products"
TAGS = [TAG]
OPERATIONS: dict[str, tuple[str, list[str]]] = {
    "hit": ("get", KEYS),
    "miss": ("get", ABSENT),
    "set": ("set", KEYS),
    "add": ("add", []),  # to keys that are new in each round
    "add to a present key": ("add", KEYS),
    "count": ("count", KEYS),
}
BATCH = 1000
CALLS = {"memory": 1000, "Redis": 100, "Vercel": 20}
TAKES = {1: 31, 10_000: 7, 100_000: 3, 1_000_000: 1}


@dataclass(frozen=True)
class Contender:
    """A cache by name and its timed calls; `expire` and `fill` are None for caches without tags.

    `fill` stores a number of small values with the tag. `add` stores a value unless the key has one
    and `count` adds 1 to a number; both are None for caches that cannot do that.
    """

    name: str
    get: Callable[[str], Any]
    set: Callable[[str], Any]
    expire: Callable[[str], Any] | None = None
    fill: Callable[[int], None] | None = None
    add: Callable[[str], Any] | None = None
    count: Callable[[str], Any] | None = None


@dataclass(frozen=True)
class Call:
    """Medians over the rounds; `ratio` is unigate's time divided by this one, None for unigate."""

    store: str
    operation: str
    contender: str
    microseconds: float
    ratio: float | None


@dataclass(frozen=True)
class Expiry:
    """Medians over the repetitions: expiring a tag, and each of the thousand writes that follow."""

    store: str
    contender: str
    entries: int
    microseconds: float
    set_after: float


@dataclass(frozen=True)
class Size:
    """Bytes per entry, key and value included; `counted` is the cache's own count."""

    store: str
    contender: str
    bytes: float
    counted: float | None


def small_values(entries: int) -> Iterator[dict[str, bytes]]:
    """Yield a number of entries in batches."""
    for start in range(0, entries, BATCH):
        numbers = range(start, min(start + BATCH, entries))
        yield {f"small:{number}": b"%07d" % number for number in numbers}


def fill(backend: Backend, entries: int, tags: Sequence[str] = TAGS) -> None:
    for values in small_values(entries):
        backend.set_many(values, ttl=TTL, tags=tags)


def unigate_cache(backend: Backend) -> Contender:
    """Return unigate's cache as applications use it."""
    cache = RuntimeCache(backend=backend, strict=True)
    cache.set(COUNTER, 0, ttl=TTL)
    return Contender(
        UNIGATE,
        cache.get,
        lambda key: cache.set(key, VALUE, ttl=TTL, tags=TAGS),
        cache.expire_tag,
        partial(fill, backend),
        lambda key: cache.add(key, VALUE, ttl=TTL, tags=TAGS),
        lambda key: cache.incr(COUNTER),
    )


def bare(backend: Backend) -> Contender:
    """Return a backend of unigate without the cache in front of it; it stores bytes."""
    data = json.dumps(VALUE).encode()
    return Contender(
        "unigate's backend alone",
        lambda key: backend.get(key),
        lambda key: backend.set(key, data, ttl=TTL, tags=TAGS, name=None),
    )


def vercel_cache(cache: Any) -> Contender:
    """Return Vercel's client, without its lookup at each call."""
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
    cache.set(COUNTER, 0)
    return Contender(
        "Django",
        cache.get,
        lambda key: cache.set(key, VALUE),
        add=lambda key: cache.add(key, VALUE),
        count=lambda key: cache.incr(COUNTER),
    )


def locked_json() -> Contender:
    """Return TTLCache with what unigate has besides tags: a lock, and copies by JSON."""
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
    """Return the caches in this process; the floor returns the stored object itself."""
    floor: TTLCache[str, Any] = TTLCache(ROOM, TTL)
    options = {"OPTIONS": {"MAX_ENTRIES": ROOM}, "TIMEOUT": TTL}
    return [
        unigate_cache(MemoryBackend(ROOM)),
        bare(MemoryBackend(ROOM)),
        vercel_cache(InMemoryCache()),
        django_cache(LocMemCache("benchmark", options)),
        locked_json(),
        Contender("floor: cachetools", floor.get, lambda key: floor.__setitem__(key, VALUE)),
    ]


def in_redis(server: redis_server.Server) -> list[Contender]:
    """Return the caches in Redis; the floor is one command of redis-py, and JSON."""
    client = redis.Redis(port=server.port, protocol=2)

    def get(key: str) -> Any:
        value: Any = client.get(key)
        return None if value is None else json.loads(value)

    return [
        unigate_cache(RedisBackend(server.url())),
        bare(RedisBackend(server.url(namespace="bare"))),
        django_cache(RedisCache(f"redis://127.0.0.1:{server.port}/1", {"TIMEOUT": TTL})),
        Contender("floor: redis-py", get, lambda key: client.set(key, json.dumps(VALUE), ex=TTL)),
    ]


def in_vercel(port: int) -> list[Contender]:
    """Return the caches in the stub; the floor is one request of http.client, and JSON."""
    address = f"http://127.0.0.1:{port}{vercel_stub.BASE}"
    headers = {"authorization": vercel_stub.TOKEN}
    connection = HTTPConnection("127.0.0.1", port)

    def ask(method: str, key: str, body: str | None = None) -> Any:
        connection.request(method, f"{vercel_stub.BASE}floor-{key}", body, headers)
        response = connection.getresponse()
        value = response.read()
        return json.loads(value) if value and response.status == 200 else None

    return [
        unigate_cache(VercelBackend(address, headers, timeout=10)),
        vercel_cache(BuildCache(endpoint=address, headers=headers)),
        Contender(
            "floor: http.client",
            partial(ask, "GET"),
            lambda key: ask("POST", key, json.dumps(VALUE)),
        ),
    ]


@contextmanager
def stub() -> Iterator[int]:
    """Run Vercel's stub in another process and yield its port."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=serve_stub, args=(there,), daemon=True)
    process.start()
    try:
        if not here.poll(SECONDS):
            raise SystemExit("The stub of Vercel's cache has not started.")
        yield here.recv()
    finally:
        here.send("end")
        process.join(SECONDS)


def serve_stub(pipe: Any) -> None:
    """Serve until a message arrives."""
    with vercel_stub.serve() as server:
        pipe.send(server.server_address[1])
        pipe.recv()


def check(contender: Contender) -> None:
    """Exit on a wrong value, so that no failure is timed."""
    for key in KEYS:
        contender.set(key)
    value = contender.get(KEYS[-1])
    if isinstance(value, bytes):
        value = json.loads(value)
    if value != VALUE or contender.get(ABSENT[0]) is not None:
        raise SystemExit(f"{contender.name} must return {VALUE!r}, got {value!r}.")


def time_calls(call: Callable[[str], Any], keys: Sequence[str]) -> float:
    """Return the mean microseconds of a call, after one untimed call."""
    call(keys[0])
    start = perf_counter()
    for key in keys:
        call(key)
    return (perf_counter() - start) / len(keys) * 1e6


def calls(stores: dict[str, list[Contender]], rounds: int) -> Iterator[Call]:
    """Time all contenders in `rounds` rounds, in a new order each time."""
    shuffle = random.Random(11).sample
    times: dict[tuple[str, str], dict[str, list[float]]] = {}
    for contenders in stores.values():
        for contender in contenders:
            check(contender)
    for number in range(rounds):
        new = [f"new:{number}:{key}" for key in KEYS]
        for store, contenders in stores.items():
            part = slice(CALLS[store])
            for operation, (method, keys) in OPERATIONS.items():
                able = [each for each in contenders if getattr(each, method) is not None]
                samples = times.setdefault((store, operation), {each.name: [] for each in able})
                for contender in shuffle(able, len(able)):
                    taken = time_calls(getattr(contender, method), (keys or new)[part])
                    samples[contender.name].append(taken)
    for (store, operation), samples in times.items():
        for name, own in samples.items():
            pairs = zip(samples[UNIGATE], own, strict=True)
            ratio = None if name == UNIGATE else median(ours / other for ours, other in pairs)
            yield Call(store, operation, name, median(own), ratio)


def expiries(
    store: str, contender: Contender, most: int, empty: Callable[[], Any]
) -> Iterator[Expiry]:
    """Time the expiry of a tag with more and more entries."""
    if contender.fill is None or contender.expire is None:
        return
    for entries, takes in TAKES.items():
        if entries > most:
            break
        took, after = [], []
        for _ in range(takes):
            contender.fill(entries)
            gc.collect()  # now, so that no collection due after filling is timed
            contender.expire("another tag")
            start = perf_counter()
            contender.expire(TAG)
            took.append((perf_counter() - start) * 1e6)
            after.append(time_calls(contender.set, KEYS))
            empty()
        yield Expiry(store, contender.name, entries, median(took), median(after))


def traced(make: Callable[[int], Any], entries: int) -> tuple[float, Any]:
    """Return the bytes per entry that Python has allocated, and the filled cache."""
    gc.collect()
    tracemalloc.start()
    cache = make(entries)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / entries, cache


def memory_sizes(entries: int) -> Iterator[Size]:
    def plain(entries: int) -> Any:
        return {key: value for part in small_values(entries) for key, value in part.items()}

    def in_cachetools(entries: int) -> Any:
        cache: TTLCache[str, bytes] = TTLCache(ROOM, TTL)
        for values in small_values(entries):
            cache.update(values)
        return cache

    def in_unigate(tags: Sequence[str], entries: int) -> Any:
        backend = MemoryBackend(ROOM)
        fill(backend, entries, tags)
        return backend

    def in_vercel_cache(entries: int) -> Any:
        contender = vercel_cache(InMemoryCache())
        assert contender.fill is not None
        contender.fill(entries)
        return contender

    makers: dict[str, Callable[[int], Any]] = {
        "unigate": partial(in_unigate, ()),
        "unigate, one tag": partial(in_unigate, TAGS),
        "vercel-cache, one tag": in_vercel_cache,
        "cachetools": in_cachetools,
        "floor: dict": plain,
    }
    for name, make in makers.items():
        held, cache = traced(make, entries)
        counted = cache.size()["bytes"] / entries if isinstance(cache, MemoryBackend) else None
        yield Size("memory", name, held, counted)
        del cache


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
    """Measure all times, then all sizes."""
    with ExitStack() as stack:
        server = stack.enter_context(redis_server.Server())
        port = stack.enter_context(stub())
        stores = {"memory": memory(), "Redis": in_redis(server), "Vercel": in_vercel(port)}
        timed = list(calls(stores, rounds))
        server.client.flushall()
        expired: list[Expiry] = []
        backend = MemoryBackend(ROOM)
        expired += expiries("memory", unigate_cache(backend), most, backend.clear)
        peer = InMemoryCache()
        expired += expiries("memory", vercel_cache(peer), most, peer._cache.clear)
        expired += expiries("Redis", stores["Redis"][0], most, server.client.flushall)
        # One entry: the cost of more is the service's, which the stub does not model.
        for contender in stores["Vercel"][:2]:
            expired += expiries("Vercel", contender, 1, lambda: None)
        sizes = [*memory_sizes(most), *redis_sizes(server, most)]
    return timed, expired, sizes


def machine() -> dict[str, str]:
    """Return what the figures depend on: interpreter, processor, versions of the peers."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in PEERS},
    }


def tables(timed: list[Call], expired: list[Expiry], sizes: list[Size]) -> str:
    """Format the results in aligned columns, one block per measurement."""
    lines = [", ".join(f"{name} {value}" for name, value in machine().items())]
    block = None
    for call in timed:
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
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of timing (default 30)")
    parser.add_argument(
        "--million", action="store_true", help="measure up to 1,000,000 entries (default 100,000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    settings.configure()
    results = run(options.rounds, 1_000_000 if options.million else 100_000)
    if options.json:
        timed, expired, sizes = results
        named: dict[str, Sequence[Any]] = {"calls": timed, "expiries": expired, "sizes": sizes}
        rows = {name: [asdict(row) for row in part] for name, part in named.items()}
        print(json.dumps({"machine": machine(), **rows}, indent=2))
    else:
        print(tables(*results))


if __name__ == "__main__":
    main()
