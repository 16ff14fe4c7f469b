"""Entries shared with `vercel.cache`, in both directions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cache.vercel_stub import serve
from unigate.cache import AsyncRuntimeCache, RuntimeCache, default_backend
from unigate.cache.vercel import vercel_key_hash

pytestmark = pytest.mark.usefixtures("bounded")
VALUE = {"city": "Zürich \U0001f600", "half": "\ud83d", "none": None, "list": [1, -0.5, True]}


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The official library, with the same server as unigate's default backend."""
    from vercel.cache import cache_build, runtime_cache

    monkeypatch.setattr(cache_build, "track", lambda *args, **kwargs: None)
    for name in ("build_cache", "cached_cache"):
        monkeypatch.setattr(runtime_cache, f"_{name}_instance", None)
    with serve() as stub:
        monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", stub.endpoint)
        monkeypatch.setenv("RUNTIME_CACHE_HEADERS", json.dumps(stub.headers))
        yield runtime_cache
        default_backend().close()
        if runtime_cache._build_cache_instance is not None:
            runtime_cache._build_cache_instance._client.close()


@pytest.mark.parametrize(
    "options", [{}, {"namespace": "ns"}, {"namespace": "ns", "namespace_separator": ":"}]
)
def test_both_libraries_read_one_entry(options: dict[str, str], sdk: Any) -> None:
    official = sdk.RuntimeCache(**options)  # a strict one leaks a connection per call
    cache = RuntimeCache(key_hash_function=vercel_key_hash, strict=True, **options)
    awaited = AsyncRuntimeCache(key_hash_function=vercel_key_hash, strict=True, **options)

    cache.set("from unigate", VALUE, {"ttl": 60, "tags": ["a", "b"], "name": "Name"})
    assert official["from unigate"] == VALUE
    official.set("from vercel", VALUE, {"ttl": 60, "tags": ["b"]})
    assert cache["from vercel"] == asyncio.run(awaited.get("from vercel")) == VALUE

    official.expire_tag("a")
    assert "from unigate" not in cache
    cache.expire_tag("b")
    assert "from vercel" not in official

    official.set("key", 1)
    cache.delete("key")
    assert "key" not in official
    cache.set("key", 1)
    official.delete("key")
    assert "key" not in cache
