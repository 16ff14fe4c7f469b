"""Migrations at startup, for hosts where `manage.py migrate` cannot be run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.core.management import call_command
from django.db import connections


def migrate() -> None:
    """Apply the migrations, even while an event loop is running.

    ASGI servers import the application inside their event loop, where Django refuses to use a
    database. A new thread has no event loop.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(_migrate).result()


def _migrate() -> None:
    try:
        call_command("migrate", verbosity=0)
    finally:
        connections.close_all()
