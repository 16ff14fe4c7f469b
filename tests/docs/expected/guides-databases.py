from __future__ import annotations

import sqlite3

import block_1
import lifespan
import main

from unigate.testing import Client


def test_a_query_is_answered() -> None:
    assert Client(main.app).get("/version").text == sqlite3.sqlite_version


def test_the_pool_is_opened_once() -> None:
    client = Client(lifespan.app)
    assert [client.get("/opened").json() for _ in range(3)] == [1, 1, 1]


def test_hooks_are_functions_still() -> None:
    block_1.connect()
    assert block_1.open_connections == ["a new connection"]
    block_1.close()
    assert block_1.open_connections == []
