"""Pools of redis-py: a limit for which threads wait, idle connections, and what a new one sends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

from redis import BlockingConnectionPool, ConnectionPool, CredentialProvider
from redis.exceptions import AuthenticationError, MaxConnectionsError, RedisError


class Limit:
    """A limit of the threads that send commands, and so of the connections in use.

    redis-py has no pool that waits and asks Sentinels, and a pool may be replaced.

    Args:
        number: How many threads may send a command at a time.
        seconds: How long another thread waits.
    """

    def __init__(self, number: int, seconds: float) -> None:
        if number < 1:
            raise ValueError(
                "The URL of the cache has a wrong option: max_connections must be a positive "
                f"integer, got {number}."
            )
        self._number = number
        self._seconds = seconds
        self._renew()

    def _renew(self) -> None:
        self._free = threading.Semaphore(self._number)
        self._pid = os.getpid()

    def applied_to(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Return a client's method for a command, with the limit."""
        if self._pid != os.getpid():  # other threads of the parent may have been counted
            self._renew()
        free = self._free

        def execute_when_free(*command: Any, **options: Any) -> Any:
            if not free.acquire(timeout=self._seconds):
                raise MaxConnectionsError(
                    f"No connection became free in {self._seconds:g} s "
                    f"(max_connections={self._number})."
                )
            try:
                return execute(*command, **options)
            finally:
                free.release()

        return execute_when_free


class Credentials(CredentialProvider):
    """Credentials from a provider, whose errors become redis-py's.

    After any other error redis-py leaves the new connection open and in its pool, without a login.
    """

    def __init__(self, provider: CredentialProvider) -> None:
        self._provider = provider

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            # Here, an answer that is no sequence is an error too.
            return (*self._provider.get_credentials(),)
        except RedisError:
            raise
        except Exception as error:
            raise AuthenticationError(
                f"credential_provider has failed: {type(error).__name__}: {error}"
            ) from error


def close_idle(pool: ConnectionPool) -> None:
    """Close the connections of a pool that no thread uses at the moment."""
    if not isinstance(pool, BlockingConnectionPool):
        pool.disconnect(inuse_connections=False)
        return
    # Before redis-py 7 its `disconnect` cannot leave those in use alone.
    idle = []
    with suppress(Empty):
        while True:
            idle.append(pool.pool.get_nowait())
    for connection in reversed(idle):
        if connection is not None:  # None is a connection not made yet
            connection.disconnect()
        pool.pool.put_nowait(connection)


def without_name() -> dict[str, Any]:
    """Return the options with which a connection does not send the name and version of redis-py.

    Each of them would take a round trip.
    """
    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # redis-py before 7.2
        return {"lib_name": None, "lib_version": None}
    # None stands for redis-py itself before version 8.
    return {"driver_info": DriverInfo(name="", lib_version="")}
