"""Create the tables where no command can be run beforehand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.core.management import call_command
from django.db import connections


def migrate() -> None:
    """Apply the migrations, also while an event loop runs.

    ASGI servers import the application inside their event loop, where Django refuses to use a
    database: a thread of its own has no loop.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(_migrate).result()


def _migrate() -> None:
    try:
        call_command("migrate", verbosity=0)
    finally:
        connections.close_all()
