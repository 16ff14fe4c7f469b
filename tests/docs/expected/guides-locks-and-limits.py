from __future__ import annotations

import limited
import main
import sessions

from unigate.testing import Client


def test_locks_and_counters() -> None:
    assert [main.send_report(), main.send_report()] == [1, 2]


def test_the_third_search_of_a_minute_is_refused() -> None:
    client = Client(limited.app)
    assert [client.get("/search").status_code for _ in range(3)] == [200, 200, 429]


def test_a_session_is_kept() -> None:
    client = Client(sessions.app)
    assert [client.get("/visits").text for _ in range(3)] == ["1", "2", "3"]
