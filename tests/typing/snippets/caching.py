"""The runtime cache, synchronous and asynchronous."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from unigate import AsyncRuntimeCache, RuntimeCache

cache = RuntimeCache(namespace="shop")
waiting = AsyncRuntimeCache(backend="memory://")


def count() -> int:
    return 7


async def names() -> list[str]:
    return ["ada"]


assert_type(cache.set("a", {"b": [1, None]}, ttl=60, tags=["x"], name="A"), bool)
assert_type(cache.add("a", 1, ttl=timedelta(minutes=1)), bool)
assert_type(cache.get_or_set("a", count, ttl=60, stale=10), int)
assert_type(cache.set_many({"a": 1, "b": "c"}), list[str])
cache.expire_tag("x")
with cache.lock("report", ttl=60):
    pass

cache.set("a")  # refused
cache.set("a", 1, ttl="60")  # refused
cache.set("a", 1, timeout=60)  # refused
cache.get_or_set("a", 7)  # refused
cache.lock("report")  # refused
RuntimeCache(backend=7)  # refused


async def asynchronous() -> None:
    assert_type(await waiting.set("a", 1), bool)
    assert_type(await waiting.get_or_set("a", count), int)
    assert_type(await waiting.get_or_set("a", names, ttl=60), list[str])
    await waiting.set("a", 1, ttl="60")  # refused
    await waiting.get_or_set("a", 7)  # refused
