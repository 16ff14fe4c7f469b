"""Sessions and rate limits of other packages over four processes: exact counts, in Redis."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest

from tests.cache.redis_server import Server
from tests.cache.team import PROCESSES, Team
from tests.contrib import package_jobs as jobs

pytestmark = pytest.mark.usefixtures("bounded")

ALL = sorted([*range(jobs.NUMBER)] * PROCESSES)


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with Team() as processes:
        yield processes


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server() as server:
        yield server.url()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the table of Django's sessions."""
    path: Path = tmp_path_factory.mktemp("sessions") / "db.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, "
            "session_data text NOT NULL, expire_date datetime NOT NULL)"
        )
    return str(path)


@pytest.mark.parametrize("engine", ["cache", "cached_db"])
def test_sessions_of_django(team: Team, url: str, database: str, engine: str) -> None:
    where = (engine, url, database)
    keys = [key for made in team.do(jobs.make_django_sessions, *where) for key in made]
    assert len(set(keys)) == len(ALL)
    assert team.do(jobs.read_django_sessions, *where, keys) == [ALL] * PROCESSES
    new = [f"{engine}{number:032}" for number in range(jobs.NUMBER)]
    assert sum(team.do(jobs.claim_django_sessions, *where, new)) == len(new)
    assert sum(team.do(jobs.claim_django_sessions, *where, keys)) == 0
    team.do(jobs.open_django_sessions, *where, keys)
    team.do(jobs.flush_django_sessions, *where, keys)
    assert team.do(jobs.save_open_sessions) == [len(keys)] * PROCESSES
    assert team.do(jobs.read_django_sessions, *where, keys) == [[]] * PROCESSES


def test_sessions_of_flask_session(team: Team, url: str) -> None:
    cookies = [cookie for made in team.do(jobs.make_flask_sessions, url) for cookie in made]
    assert len(set(cookies)) == len(ALL)
    assert team.do(jobs.read_flask_sessions, url, cookies) == [ALL] * PROCESSES
    team.do(jobs.end_flask_sessions, url, cookies)
    assert team.do(jobs.read_flask_sessions, url, cookies) == [[]] * PROCESSES


def test_django_ratelimit_lets_100_of_400_requests_through(
    team: Team, url: str, database: str
) -> None:
    # Its windows end at a time that depends on the client: take one whose window lasts longer.
    now = int(time.time())
    client = next(
        name for name in map(str, range(100)) if (crc32(name.encode()) - now) % 3600 > 300
    )
    assert sum(team.do(jobs.pass_django_ratelimit, url, database, client)) == 100


def test_flask_limiter_lets_100_of_400_requests_through(team: Team, url: str) -> None:
    assert sum(team.do(jobs.pass_flask_limiter, url)) == 100


def test_slowapi_lets_100_of_400_requests_through(team: Team, url: str) -> None:
    assert sum(team.do(jobs.pass_slowapi, url)) == 100
