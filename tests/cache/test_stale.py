"""`get_or_set` with `stale`: callers get the old value while one of them makes the new one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cache.concurrency import in_threads
from tests.cache.redis_server import opened, shared
from tests.waiting import SECONDS
from unigate.cache import Backend, RuntimeCache
from unigate.cache.keys import marker_key

pytestmark = pytest.mark.usefixtures("bounded")

OPTIONS: dict[str, Any] = {"ttl": 60, "stale": 60, "tags": ["t"]}


def never() -> Any:
    raise AssertionError("The factory must not be called.")


def end_ttl(backend: Backend) -> None:
    """Do what the end of the ttl does."""
    backend.delete([marker_key("0.0:key")])


def test_a_fresh_value_is_not_made_again(cache: Any) -> None:
    assert cache.get_or_set("key", lambda: "old", **OPTIONS) == "old"
    assert cache.get_or_set("key", never, **OPTIONS) == "old"
    assert cache.get("key") == "old"


def test_a_stale_value_is_renewed_once(cache: Any, backend: Backend) -> None:
    cache.get_or_set("key", lambda: "old", **OPTIONS)
    end_ttl(backend)
    assert cache.get("key") == "old"
    assert cache.get_or_set("key", lambda: "new", **OPTIONS) == "new"
    assert cache.get_or_set("key", never, **OPTIONS) == "new"


def test_others_get_the_old_value_meanwhile(cache: Any, backend: Backend) -> None:
    cache.get_or_set("key", lambda: "old", **OPTIONS)
    end_ttl(backend)
    begun, over = threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert over.wait(SECONDS)
        return "new"

    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(cache.get_or_set, "key", make, **OPTIONS)
        assert begun.wait(SECONDS)
        others = in_threads(lambda number: cache.get_or_set("key", never, **OPTIONS), 4)
        over.set()
        assert renewing.result(SECONDS) == "new"
    assert others == ["old"] * 4
    assert cache.get("key") == "new"


def test_a_failure_is_logged_and_leaves_the_old_value(
    cache: Any, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    cache.get_or_set("key", lambda: "old", **OPTIONS)
    end_ttl(backend)
    assert cache.get_or_set("key", lambda: 1 / 0, **OPTIONS) == "old"
    assert "ZeroDivisionError" in caplog.text
    assert cache.get_or_set("key", never, **OPTIONS) == "old"
    cache.delete("key")
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("key", lambda: 1 / 0, **OPTIONS)


@pytest.mark.parametrize("exit", [SystemExit, KeyboardInterrupt])
def test_an_exit_is_raised(cache: Any, backend: Backend, exit: type[BaseException]) -> None:
    def leave() -> Any:
        raise exit

    cache.get_or_set("key", lambda: "old", **OPTIONS)
    end_ttl(backend)
    with pytest.raises(exit):
        cache.get_or_set("key", leave, **OPTIONS)


CHANGES: dict[str, tuple[Callable[[Any], object], Any]] = {
    "set": (lambda cache: cache.set("key", "set"), "set"),
    "delete": (lambda cache: cache.delete("key"), None),
    "expire_tag": (lambda cache: cache.expire_tag("t"), None),
    "clear": (lambda cache: cache.clear(), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_meanwhile_prevails(backend: Backend, change: str) -> None:
    cache = RuntimeCache(backend=backend, strict=True)
    make, expected = CHANGES[change]
    cache.get_or_set("key", lambda: "old", **OPTIONS)
    end_ttl(backend)
    assert cache.get_or_set("key", lambda: [make(cache), "new"][1], **OPTIONS) == "new"
    assert cache.get("key") == expected
    if expected is None:
        assert cache.get_or_set("key", lambda: "next", **OPTIONS) == "next"


def test_the_value_ends_after_both_times(cache: Any) -> None:
    cache.get_or_set("key", lambda: "old", ttl=0, stale=0.001)
    threading.Event().wait(0.05)
    assert cache.get("key") is None


@pytest.mark.parametrize(
    ("options", "error"),
    [({"stale": 9}, ValueError), ({"ttl": 9, "stale": "9"}, TypeError)],
)
def test_wrong_options_are_refused(
    cache: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="stale must be"):
        cache.get_or_set("key", never, **options)


@pytest.fixture
def remote() -> Iterator[RuntimeCache]:
    with opened(shared().url(namespace="stale round trips")) as backend:
        yield RuntimeCache(backend=backend, strict=True)


def test_round_trips(remote: RuntimeCache) -> None:
    remote.get_or_set("first", dict, **OPTIONS)  # the server gets to know the scripts
    with shared().commands() as commands:
        remote.get_or_set("key", dict, **OPTIONS)
    assert commands == ["MGET", "EVALSHA", "MGET", "EVALSHA", "EVALSHA"]
    with shared().commands() as commands:
        remote.get_or_set("key", never, **OPTIONS)
    assert commands == ["MGET"]
