"""Datasette over one SQLite database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from datasette.app import Datasette

DATABASE = Path(os.environ["SITE_FOLDER"]) / "shop.db"


def prepare() -> None:
    """Write the database."""
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        rows = [(n, f"item {n} größer", n / 4) for n in range(1, 301)]
        connection.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
        connection.execute('CREATE TABLE "a/b c" (key TEXT PRIMARY KEY, value BLOB)')
        connection.executemany(
            'INSERT INTO "a/b c" VALUES (?, ?)', [("x/y", b"\x00\xff"), ("é", b"text")]
        )


settings = {"base_url": os.environ["SITE_PREFIX"] + "/", "num_sql_threads": 1}
application = Datasette([str(DATABASE)], settings=settings, secret="a secret").app()
