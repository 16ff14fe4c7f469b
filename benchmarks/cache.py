"""Compare the runtime cache with other caches.

Measured are the time of a hit, a miss, a write, an `add` of a missing and of a present key, and a
count, the time to expire a tag, which must not depend on the number of its entries, and the memory
of an entry. README.md in this directory explains the tables.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["VERCEL_TELEMETRY_DISABLED"] = "1"  # read when vercel-cache is imported

import redis
from cachetools import TTLCache
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from rounds import UNIGATE, Result, compare, in_rounds, parser, show, summarize, table
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
TARGETS = {"memory, hit": {"Django": 0.8, "vercel-cache": 2.5}}
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
    "first hit": ("get", KEYS),  # since "set" in the round before
    "hit": ("get", KEYS),
    "miss": ("get", ABSENT),
    "set": ("set", KEYS),
    "add": ("add", []),  # to keys that are new in each round
    "add to a present key": ("add", KEYS),
    "count": ("count", KEYS),
}
BATCH = 1000
# Few, so that most measurements end before the system runs another program.
CALLS = {"memory": 100, "Redis": 20, "Vercel": 5}
NEW = count()
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
        f"{UNIGATE}'s backend alone",
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


def calls(stores: dict[str, list[Contender]], rounds: int) -> Iterator[Result]:
    """Time the operations of all contenders."""
    groups: dict[str, dict[str, Callable[[], float]]] = {}
    for store, contenders in stores.items():
        for contender in contenders:
            check(contender)
        for operation, (method, keys) in OPERATIONS.items():
            able = {each.name: getattr(each, method) for each in contenders}
            groups[f"{store}, {operation}"] = {
                name: partial(time_operation, call, keys[: CALLS[store]], CALLS[store])
                for name, call in able.items()
                if call is not None
            }
    for name, samples in in_rounds(groups, rounds).items():
        yield from compare(name, "microseconds", samples, targets=TARGETS.get(name))


def time_operation(call: Callable[[str], Any], keys: Sequence[str], number: int) -> float:
    """Return the mean microseconds of a call, with new keys if there are no keys."""
    return time_calls(call, keys or [f"new:{next(NEW)}" for _ in range(number)])


def expiries(
    store: str, contender: Contender, most: int, empty: Callable[[], Any]
) -> Iterator[Result]:
    """Time the expiry of a tag with more and more entries, and each of a thousand writes then."""
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
        for what, samples in (("expire a tag", took), ("a set after", after)):
            workload = f"{store}, {what} with {entries:,} entries"
            yield summarize(workload, contender.name, "microseconds", samples)


def traced(make: Callable[[int], Any], entries: int) -> tuple[float, Any]:
    """Return the bytes per entry that Python has allocated, and the filled cache."""
    gc.collect()
    tracemalloc.start()
    cache = make(entries)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / entries, cache


def memory_sizes(entries: int) -> Iterator[Result]:
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
        yield size("memory", name, held)
        if isinstance(cache, MemoryBackend):
            yield size("memory", f"{name}, as counted", cache.size()["bytes"] / entries)
        del cache


def size(store: str, name: str, held: float) -> Result:
    """Return the bytes of an entry as a result; they do not differ between rounds."""
    return Result(f"{store}, an entry", name, "bytes", held, (held, held))


def redis_sizes(server: redis_server.Server, entries: int) -> Iterator[Result]:
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
        yield size("Redis", name, (after["used_memory"] - before["used_memory"]) / entries)
    client.flushall()
    backend.close()
    django.close()


def run(rounds: int, most: int) -> Iterator[Result]:
    """Measure all times, then all sizes."""
    with ExitStack() as stack:
        server = stack.enter_context(redis_server.Server())
        port = stack.enter_context(stub())
        stores = {"memory": memory(), "Redis": in_redis(server), "Vercel": in_vercel(port)}
        yield from calls(stores, rounds)
        server.client.flushall()
        backend = MemoryBackend(ROOM)
        yield from expiries("memory", unigate_cache(backend), most, backend.clear)
        peer = InMemoryCache()
        yield from expiries("memory", vercel_cache(peer), most, peer._cache.clear)
        yield from expiries("Redis", stores["Redis"][0], most, server.client.flushall)
        # One entry: the cost of more is the service's, which the stub does not model.
        for contender in stores["Vercel"][:2]:
            yield from expiries("Vercel", contender, 1, lambda: None)
        yield from memory_sizes(most)
        yield from redis_sizes(server, most)


def main() -> None:
    """Run the command line."""
    arguments = parser(__doc__, rounds=30)
    arguments.add_argument(
        "--entries", type=int, default=100_000, help="the most entries, default 100,000"
    )
    options = arguments.parse_args()
    settings.configure()
    results = list(run(options.rounds, options.entries))
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
