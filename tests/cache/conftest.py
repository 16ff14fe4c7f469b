"""Fixtures for every backend, with a sync and an async cache that tests call in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.cache.backends import BACKENDS
from unigate.cache import AsyncRuntimeCache, Backend, RuntimeCache

VARIABLES = ["UNIGATE_CACHE_URL", "RUNTIME_CACHE_ENDPOINT", "RUNTIME_CACHE_HEADERS"]


class Awaited:
    """An `AsyncRuntimeCache` called like a `RuntimeCache`, each call on a new event loop."""

    def __init__(self, **options: Any) -> None:
        self._cache = AsyncRuntimeCache(**options)

    @property
    def backend(self) -> Backend:
        return self._cache.backend

    def __contains__(self, key: str) -> bool:
        return asyncio.run(self._cache.contains(key))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Awaitable[Any]] = getattr(self._cache, name)

        async def call(*args: Any, **options: Any) -> Any:
            return await method(*args, **options)

        return lambda *args, **options: asyncio.run(call(*args, **options))


CACHES: dict[str, Callable[..., Any]] = {"sync": RuntimeCache, "async": Awaited}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that choose a backend."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """An empty backend of each kind."""
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture(params=CACHES)
def open_cache(request: pytest.FixtureRequest, backend: Backend) -> Callable[..., Any]:
    """Open a strict cache of the backend, sync and async."""
    return partial(CACHES[request.param], backend=backend, strict=True)


@pytest.fixture
def cache(open_cache: Callable[..., Any]) -> Any:
    return open_cache()
