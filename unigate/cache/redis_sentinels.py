"""Redis behind Sentinels: the primary that they name, also after a planned failover.

After `SENTINEL FAILOVER` no error shows that there is another primary. The former one takes writes
until the Sentinels demote it, about ten seconds later, and loses them then. So the Sentinels are
asked again while it is in use.
Source: Redis, "Sentinel client spec", "High availability with Redis Sentinel"; redis/redis#6062.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from .redis_urls import Node

_log = logging.getLogger("unigate")

INTERVAL = 1.0  # seconds between two questions; a Sentinel itself asks the servers once a second
AFTER_FAILURE = 5.0  # seconds, because a question to Sentinels that hang takes a while


class Sentinels(Sentinel):
    """Sentinels that are asked in turn, with an error that gives the reason of each.

    redis-py's own error quotes clients, some versions with their passwords, and no reasons.
    """

    def discover_master(self, service_name: str) -> Node:
        reasons = []
        sentinels = list(self.sentinels)
        for sentinel in sentinels:
            try:
                address, reason = _primary_of(sentinel, service_name)
            except RedisError as error:
                address, reason = None, f"{type(error).__name__}: {error}"
            if address:
                # The next question goes to the one that has answered. In one step, because other
                # threads ask too.
                self.sentinels = sorted(sentinels, key=lambda each: each is not sentinel)
                return address
            options = sentinel.connection_pool.connection_kwargs
            reasons.append(f"{options['host']}:{options['port']}: {reason}")
        raise MasterNotFoundError(
            f"No Sentinel names a primary of {service_name!r} ({'; '.join(reasons)})."
        )


def _primary_of(sentinel: Redis, service: str) -> tuple[Node | None, str]:
    """Return the address of the primary that a Sentinel names, or None and why it names none."""
    ask: Callable[..., Any] = sentinel.execute_command
    state = ask("SENTINEL MASTERS").get(service)
    if not state:
        return None, "the service is unknown"
    address = state["ip"], state["port"]
    if "failover_in_progress" in state["flags"]:
        # The Sentinel that leads it has the new primary in this reply first, and in its state only
        # when all replicas follow that.
        host, port = ask("SENTINEL GET-MASTER-ADDR-BY-NAME", service)
        if (new := (host.decode(), int(port))) != address:
            return new, ""
    if not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None, "the primary is down"
    return address, ""


def following_the_primary(pool: ConnectionPool, execute: Callable[..., Any]) -> Callable[..., Any]:
    """Return a client's method for a command, which asks Sentinels from time to time.

    Args:
        pool: The pool of the client. The method of one without Sentinels is returned as it is.
        execute: The method.
    """
    if isinstance(pool, SentinelConnectionPool) and pool.is_master:
        return _Primary(pool).applied_to(execute)
    return execute


class _Primary:
    """The primary of a service, asked for every `INTERVAL` seconds.

    A thread asks before its own command, not in the background: a process that was frozen asks
    before its first command then, and one that is idle does not ask.
    """

    def __init__(self, pool: SentinelConnectionPool) -> None:
        self._pool = pool
        self._asking = threading.Lock()
        self._next = time.monotonic() + INTERVAL
        self._known = True

    def applied_to(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Return a client's method for a command, with the question."""

        def execute_at_primary(*command: Any, **options: Any) -> Any:
            if time.monotonic() >= self._next and self._asking.acquire(blocking=False):
                try:
                    self._ask()
                finally:
                    self._asking.release()
            return execute(*command, **options)

        return execute_at_primary

    def _ask(self) -> None:
        """Ask for the primary; if it is another one, the pool drops its connections."""
        known = True
        if self._pool.master_address:  # else a connection will be made, and it asks
            try:
                ask: Callable[[], Node] = self._pool.get_master_address
                ask()
            except RedisError:
                known = False
        self._next = time.monotonic() + (INTERVAL if known else AFTER_FAILURE)
        if self._known and not known:
            # Without the error: that of redis-py can contain passwords.
            _log.warning(
                "No Sentinel names a primary of %r, so the cache keeps the one it has and does not "
                "notice a planned failover.",
                self._pool.service_name,
            )
        self._known = known
