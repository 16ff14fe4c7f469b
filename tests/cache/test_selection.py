"""Backend selection by URL, environment and gateway, also after a fork."""

from __future__ import annotations

import contextvars
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cache.concurrency import in_threads
from unigate import Headers, Request
from unigate.cache import RuntimeCache, default_backend, open_backend, selection
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend
from unigate.cache.vercel import VercelBackend
from unigate.context import current_request_var
from unigate.deployment import Deployment

ENDPOINT = "http://127.0.0.1:9/v1/suspense-cache/"


@pytest.fixture(autouse=True)
def _nothing_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(selection, "open_backends", {})
    yield
    for backend in set(selection.open_backends.values()):
        backend.close()


def test_each_url_has_one_backend() -> None:
    assert open_backend("memory://") is open_backend("memory://")
    assert open_backend("memory://") is not open_backend("memory://other")


@pytest.mark.usefixtures("bounded")
def test_threads_get_the_same_one() -> None:
    backends = in_threads(lambda _: open_backend("memory://threads"), 16)
    assert len(backends) == 16
    assert len(set(backends)) == 1


def test_memory_has_a_size() -> None:
    backend = open_backend("memory://?max_bytes=1000")
    backend.set("key", b"x" * 1000, ttl=None, tags=(), name=None)
    assert backend.get("key") is None
    assert isinstance(backend, MemoryBackend)


@pytest.mark.parametrize(
    "url", ["memory://?bytes=1", "memory://?max_bytes=x", "memory://?max_bytes=0", "memory://?x"]
)
def test_memory_with_unknown_options_is_an_error(url: str) -> None:
    with pytest.raises(ValueError):
        open_backend(url)


@pytest.mark.parametrize("url", ["", "memcached://secret@host", "secret", "://secret"])
def test_unknown_scheme_is_an_error_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="memory://, redis://, rediss://") as error:
        open_backend(url)
    assert "secret@" not in str(error.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "valkeys", "unix"])
def test_redis_has_many_names(scheme: str) -> None:
    host = "" if scheme == "unix" else "127.0.0.1:9"
    assert isinstance(open_backend(f"{scheme}://{host}/0"), RedisBackend)


def test_default_is_memory() -> None:
    assert default_backend() is open_backend("memory://")
    RuntimeCache().set("key", 1)
    assert RuntimeCache(backend="memory://").get("key") == 1


def test_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = RuntimeCache()
    cache.set("key", 1)
    monkeypatch.setenv("UNIGATE_CACHE_URL", "memory://other")
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", "{}")
    assert default_backend() is open_backend("memory://other")
    assert "key" not in cache


def test_wrong_url_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIGATE_CACHE_URL", "nothing://")
    with pytest.raises(ValueError, match="nothing"):
        RuntimeCache().get("key")


def test_vercel_is_the_default_where_its_variables_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", json.dumps({"authorization": "a"}))
    backend = default_backend()
    assert isinstance(backend, VercelBackend)
    assert default_backend() is backend
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", json.dumps({"authorization": "b"}))
    assert default_backend() is not backend


@pytest.mark.parametrize("headers", ["", "[]", "{"])
def test_vercel_without_its_headers_is_memory(
    headers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", headers)
    for _ in range(3):
        assert default_backend() is open_backend("memory://")
    assert len(caplog.records) == (1 if headers else 0)


def request_with(deployment: Deployment | None = None, **headers: str) -> Request:
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    request = Request("GET", headers=fields)
    request.deployment = deployment
    return request


def test_gateway_chooses_for_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIGATE_CACHE_URL", "memory://other")
    chosen = MemoryBackend()
    cache = RuntimeCache()

    def answer() -> Any:
        current_request_var.set(request_with(Deployment(cache=chosen)))
        cache.set("key", 1)
        return cache.get("key")

    assert contextvars.copy_context().run(answer) == 1
    assert "key" not in cache
    assert RuntimeCache(backend=chosen).get("key") == 1
    assert RuntimeCache(backend="memory://other").get("key") is None


def test_headers_of_vercels_proxy_choose_the_cache_on_vercel_only(
    run_on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"x_vercel_sc_host": "cache.example.org", "x_vercel_sc_headers": "{}"}

    def backend() -> Any:
        current_request_var.set(request_with(**headers))
        return default_backend()

    # On other platforms the client controls these headers, also where a file of variables that
    # Vercel's command line has written is loaded.
    assert contextvars.copy_context().run(backend) is open_backend("memory://")
    written = {"VERCEL": "1", "VERCEL_ENV": "production", "VERCEL_URL": "notes.vercel.app"}
    for name, value in written.items():
        monkeypatch.setenv(name, value)
    assert contextvars.copy_context().run(backend) is open_backend("memory://")
    run_on("vercel")
    assert isinstance(contextvars.copy_context().run(backend), VercelBackend)
    headers.clear()
    assert contextvars.copy_context().run(backend) is open_backend("memory://")


def test_child_of_a_fork_opens_its_own_backends() -> None:
    """A lock held by another thread during the fork stays held in the child."""
    code = """
    import os, threading
    from unigate.cache import AsyncRuntimeCache, RuntimeCache, default_backend, flights, guard
    from unigate.cache import async_runtime_cache, selection
    cache = RuntimeCache()
    cache.set("key", "parent")
    before = default_backend()
    locks = [before._lock, flights._lock, guard._lock, selection._lock, async_runtime_cache._lock]
    assert async_runtime_cache._threads().submit(int).result(20) == 0
    held, over = threading.Event(), threading.Event()

    def hold():
        for lock in locks:
            assert lock.acquire(timeout=20)
        held.set()
        assert over.wait(20)
        for lock in locks:
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    flight = flights.Flight(before, "0.0:key", ())
    flights.in_flight[id(before), "0.0:key"] = flight
    flights.writing[id(before), "0.0:key"] = 1
    child = os.fork()
    if not child:
        import signal; signal.alarm(20)
        assert default_backend() is not before
        assert "key" not in cache
        assert not flights.in_flight and not flights.writing
        assert cache.get_or_set("key", lambda: "child") == "child"
        assert async_runtime_cache._threads().submit(int).result(10) == 0
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    holder.join(20)
    assert not holder.is_alive()
    assert status == 0, status
    assert cache.get("key") == "parent"
    assert default_backend() is before
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_a_cache_in_memory_loads_little() -> None:
    code = """
    import sys
    from unigate.cache import RuntimeCache, AsyncRuntimeCache
    cache, awaited = RuntimeCache(namespace="a"), AsyncRuntimeCache()
    cache.set("key", 1, ttl=5, tags=["a"])
    assert cache.get("key") == 1
    heavy = {"asyncio", "redis", "urllib3", "concurrent.futures", "http.client", "ssl"}
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    assert cache.get_or_set("other", lambda: 2) == 2
    assert "asyncio" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
