"""`get_or_set` in several processes at once: one factory call for each key, in Redis."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cache.redis_server import Server
from tests.cache.team import Team
from tests.waiting import SECONDS
from unigate.cache import AsyncRuntimeCache, RuntimeCache

pytestmark = pytest.mark.usefixtures("bounded")

KEYS = 20


def made(cache: Any) -> int:
    """Return how often factories were called."""
    calls = []

    def make() -> int:
        calls.append(1)
        time.sleep(0.01)
        return 1

    for number in range(KEYS):
        assert cache.get_or_set(f"made:{number}", make) == 1
    return len(calls)


def made_by_tasks(cache: Any) -> int:
    """Do the same with an asynchronous cache, for all keys at once."""
    calls = []

    async def make() -> int:
        calls.append(1)
        await asyncio.sleep(0.01)
        return 1

    async def main() -> None:
        awaited = AsyncRuntimeCache(backend=cache.backend, strict=True)
        keys = [f"made:{number}" for number in range(KEYS)]
        assert await asyncio.gather(*(awaited.get_or_set(key, make) for key in keys)) == [1] * KEYS

    asyncio.run(main())
    return len(calls)


def work(job: Callable[[Any], int], kind: str, url: str) -> int:
    from tests.cache.test_processes import open_cache  # slow, and the holders do not need it

    return job(open_cache(kind, url))


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with Team() as processes:
        yield processes


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.mark.parametrize(
    ("job", "kind"), [(made, "unigate"), (made, "django"), (made_by_tasks, "unigate")]
)
def test_a_missing_value_is_made_once(server: Server, job: Callable[[Any], int], kind: str) -> None:
    url = server.url(namespace=f"{job.__name__} {kind}")
    with Team() as team:
        assert sum(team.do(work, job, kind, url)) == KEYS


def hold(pipe: Any, url: str) -> None:
    """Make a value until a message comes."""

    def make() -> str:
        pipe.send("begun")
        pipe.recv()
        return "old"

    pipe.send(RuntimeCache(backend=url, strict=True).get_or_set("key", make, tags=["t"]))


class Holder:
    """A process that is making a value."""

    def __init__(self, url: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=hold, args=(theirs, url), daemon=True)
        self.process.start()

    def __enter__(self) -> Holder:
        assert self.received() == "begun"
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.join(SECONDS)

    def received(self) -> Any:
        assert self.pipe.poll(SECONDS), "The process has not answered."
        return self.pipe.recv()


def test_another_process_makes_the_value_of_one_that_was_killed(server: Server) -> None:
    url = server.url(namespace="killed")
    cache = RuntimeCache(backend=url, strict=True)
    with Holder(url) as holder:
        holder.process.kill()
        assert cache.get_or_set("key", lambda: "second") == "second"
        assert cache.get("key") == "second"  # stored, because the lease had ended


CHANGES: dict[str, tuple[Callable[[RuntimeCache], object], Any]] = {
    "set": (lambda cache: cache.set("key", "new"), "new"),
    "delete": (lambda cache: cache.delete("key"), None),
    "expire_tag": (lambda cache: cache.expire_tag("t"), None),
    "clear": (lambda cache: cache.clear(), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_value_from_before_a_change_is_not_stored(server: Server, change: str) -> None:
    url = server.url(namespace=f"change {change}")
    cache = RuntimeCache(backend=url, strict=True)
    make, expected = CHANGES[change]
    with Holder(url) as holder:
        make(cache)
        holder.pipe.send("return")
        assert holder.received() == "old"
        assert cache.get("key") == expected
