"""Changes of entries by several processes at once: exact counts, in Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest

from django_unigate.cache import RuntimeCache as DjangoCache
from flask_unigate.cache import RuntimeCache as FlaskCache
from tests.cache.redis_server import Server
from tests.cache.team import PROCESSES, Team
from unigate.cache import RuntimeCache

pytestmark = pytest.mark.usefixtures("bounded")

KEYS = 50
LOCKED = 15

OPENERS: dict[str, Callable[[str], Any]] = {
    "unigate": lambda url: RuntimeCache(backend=url, strict=True),
    "django": lambda url: DjangoCache(url, {"OPTIONS": {"strict": True}}),
    "flask": lambda url: FlaskCache(backend=url, secret_key="secret"),
}


def open_cache(kind: str, url: str) -> Any:
    if kind == "django":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
        django.setup()
    return OPENERS[kind](url)


def won_locks(cache: Any, kind: str) -> int:
    return sum(cache.add(f"lock:{number}", 1) for number in range(KEYS))


def won_values(cache: Any, kind: str) -> int:
    """Add values that are pickles."""
    return sum(cache.add(f"value:{number}", (number,)) for number in range(KEYS))


def removed(cache: Any, kind: str) -> int:
    take = cache.pop if kind == "unigate" else cache.delete
    return sum(bool(take(f"full:{number}")) for number in range(KEYS))


def counted(key: str) -> Callable[[Any, str], int]:
    def count(cache: Any, kind: str) -> int:
        add = cache.inc if kind == "flask" else cache.incr
        for _ in range(KEYS):
            add(key)
        return KEYS

    return count


def replaced(cache: Any, kind: str) -> int:
    """Add to a number by comparing and replacing it; return how often."""
    for _ in range(KEYS):
        while True:
            number = cache.get("plain")
            if cache.replace("plain", number, number + 1, tags=["t"]):
                break
    return KEYS


def locked(cache: Any, kind: str) -> int:
    """Add to a number by reading and writing it under a lock; return how often."""
    for _ in range(LOCKED):
        with cache.lock("plain", ttl=60):
            cache.set("plain", cache.get("plain") + 1)
    return LOCKED


def won_without_waiting(cache: Any, kind: str) -> int:
    """Take locks that nobody releases."""
    return sum(cache.lock(f"{n}", ttl=60).acquire(blocking=False) for n in range(KEYS))


JOBS: dict[str, Callable[[Any, str], int]] = {
    "add": won_locks,
    "add a pickle": won_values,
    "delete": removed,
    "count": counted("small"),
    "count beyond 2**53": counted("large"),
    "count a pickle": counted("tagged"),
    "replace": replaced,
    "work under a lock": locked,
    "lock": won_without_waiting,
}


def work(job: str, kind: str, url: str) -> int:
    return JOBS[job](open_cache(kind, url), kind)


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with Team() as processes:
        yield processes


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize("job", ["add", "add a pickle", "delete"])
def test_one_process_wins_each_key(team: Team, server: Server, job: str, kind: str) -> None:
    url = server.url(namespace=f"{job} {kind}")
    cache = open_cache(kind, url)
    for number in range(KEYS):
        cache.set(f"full:{number}", [number])
    assert sum(team.do(work, job, kind, url)) == KEYS


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize(
    ("job", "key", "start"),
    [
        ("count", "small", 0),
        ("count beyond 2**53", "large", 2**53 - 20),
        ("count a pickle", "tagged", 7),
    ],
)
def test_no_increment_of_a_process_is_lost(
    team: Team, server: Server, kind: str, job: str, key: str, start: int
) -> None:
    url = server.url(namespace=f"{job} {kind}")
    cache = open_cache(kind, url)
    cache.set(key, start, tags=["t"] if key == "tagged" else [])
    assert sum(team.do(work, job, kind, url)) == PROCESSES * KEYS
    assert cache.get(key) == start + PROCESSES * KEYS


def test_no_replacement_of_a_process_is_lost(team: Team, server: Server) -> None:
    url = server.url(namespace="replace")
    cache = open_cache("unigate", url)
    cache.set("plain", 0)
    assert sum(team.do(work, "replace", "unigate", url)) == PROCESSES * KEYS
    assert cache.get("plain") == PROCESSES * KEYS


def test_a_missing_counter_of_flask_begins_once(team: Team, server: Server) -> None:
    url = server.url(namespace="missing")
    assert sum(team.do(work, "count", "flask", url)) == PROCESSES * KEYS
    assert open_cache("flask", url).get("small") == PROCESSES * KEYS


def test_work_under_a_lock_is_done_by_one_process_at_a_time(team: Team, server: Server) -> None:
    url = server.url(namespace="locked")
    cache = open_cache("unigate", url)
    cache.set("plain", 0)
    assert sum(team.do(work, "work under a lock", "unigate", url)) == PROCESSES * LOCKED
    assert cache.get("plain") == PROCESSES * LOCKED


def test_one_process_takes_each_lock(team: Team, server: Server) -> None:
    url = server.url(namespace="locks")
    assert sum(team.do(work, "lock", "unigate", url)) == KEYS
