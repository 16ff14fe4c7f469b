"""Commands to Redis, repeated where a failover has made a connection useless.

A server that refuses a command because of its role or state (a replica, a node that is loading, the
former owner of a slot) does so for as long as a connection to it lives. So the connections are
dropped, and the command, which was not executed, is sent once more: to the node that a MOVED reply
names, to another node of the cluster, or to where DNS or the Sentinels say that the primary is now.

All keys of a namespace are in one hash slot, so a backend needs one node of a cluster. It finds the
node by asking any other, without reading the map of the cluster at every cold start.

While the slot is being moved, each key is on one of two nodes. ASK leads to the other one, which
has the keys that the owner has not, new ones included. A command whose keys are not all on one of
them is refused with TRYAGAIN; the cache reads and removes key by key then, and scripts wait.
Source: Redis, "Cluster specification" (redirection, ASK, multiple keys operations), "Guidelines for
Redis clients with support for Redis Sentinel".
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from .redis_clients import GivenClient, Opened, Opener, URLClients
from .redis_entries import content
from .redis_refusals import UNAVAILABLE, Refusal, full_pool, refusal_of, was_not_sent
from .redis_urls import RedisURL

# Behind the imports above, which say what to install if redis-py is missing.
from redis.exceptions import (  # isort: skip
    AuthenticationError,
    ConnectionError,
    MaxConnectionsError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    TimeoutError,
    TryAgainError,
)

if TYPE_CHECKING:
    from redis import ConnectionPool, CredentialProvider, Redis, RedisCluster

_MOVES = 2

# As redis-py's RedisCluster does while a slot is being moved.
_PAUSE = 0.05  # seconds

# How long a call waits for a slot if its client has no limit for a reply.
_PATIENCE = 0.5  # seconds


class Connections:
    """The connections of a backend.

    Args:
        source: A URL, or a client or pool of redis-py, which remains the caller's: it is not
            closed, and its own retries and timeouts apply.
        credential_provider: For a URL: what returns the credentials of each new connection.

    Raises:
        ValueError: The URL has an unknown option, or `credential_provider` is not for a URL.
        TypeError: The client is of another kind.
    """

    def __init__(
        self,
        source: RedisURL | Redis | RedisCluster | ConnectionPool,
        credential_provider: CredentialProvider | None = None,
    ) -> None:
        self._opener: Opener
        if isinstance(source, RedisURL):
            self._opener = URLClients(source, credential_provider)
        elif credential_provider is None:
            self._opener = GivenClient(source)
        else:
            raise ValueError("credential_provider must be an option of the client that is given.")
        self._opened = self._opener.open()
        self._asked: Opened | None = None  # the node to which the slot is being moved

    @property
    def pool(self) -> ConnectionPool | None:
        """The connection pool in use; None for a `RedisCluster`."""
        return self._opened.pool

    def close(self) -> None:
        """Close the connections of this process; a later command opens new ones."""
        self._opener.close(self._opened)
        if self._asked:
            self._opener.close(self._asked)

    def run(
        self,
        script: str,
        keys: Sequence[bytes],
        *arguments: bytes | str | int,
        repeat_within: float = 0.0,
        waits: bool = True,
    ) -> Any:
        """Run a Lua script like a command, sent whole only where the server does not have it.

        Args:
            script: The script.
            keys: Its keys. While their slot is being moved, those that do not exist may get a new
                record (`unigate.cache.redis_entries`) as their value.
            arguments: Its other arguments.
            repeat_within: See `execute`.
            waits: Whether to wait, as long as for a reply, until all keys are on one node.

        Raises:
            redis.RedisError: See `execute`.
        """
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return self.execute("EVALSHA", _digest(script), *rest, repeat_within=repeat_within)
            except NoScriptError:  # the first call since the server started
                return self.execute("EVAL", script, *rest, repeat_within=repeat_within)
        except TryAgainError:
            if not waits:
                raise
        end = time.monotonic() + _patience(self._opened)
        self._fill(keys, end)
        while True:
            try:
                return self.execute("EVAL", script, *rest, repeat_within=repeat_within)
            except TryAgainError:
                if time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)

    def _fill(self, keys: Sequence[bytes], end: float) -> None:
        """Give a value to keys that exist on neither node, which refuse them in scripts.

        It stays until shortly after `end`. Of one key, the commands are never refused.
        """
        for key in keys:
            life = max(end - time.monotonic(), 0) + 1
            self.execute("SET", key, content(), "NX", "PX", int(life * 1000))

    def execute(self, *command: bytes | str | int, repeat_within: float = 0.0) -> Any:
        """Run a command and return its reply, in bytes.

        Args:
            command: The command. If a server refuses it without executing it, it is repeated once
                on a new connection. Redirections are followed, as long as a reply may take.
            repeat_within: Seconds from the start in which a command is repeated once although a
                server may have executed it: the connection was lost, or the reply took too long.
                0 for a command whose repetition could give a wrong answer.

        Raises:
            redis.RedisError: The command failed. The error has the server's address as a note.
                MaxConnectionsError: All connections of a pool with a limit were in use.
                TryAgainError: The slot is being moved, and its keys are on two nodes.
        """
        opened = self._opened
        if opened.pid != os.getpid():
            # redis-py's pool is unusable here if another thread held its lock at the fork.
            opened = self._opened = self._opener.open()
        attempts = _Attempts(repeat_within)
        while True:
            try:
                return opened.execute(*command, NEVER_DECODE=True)
            except (RedisError, RedisClusterException) as error:
                error.add_note(opened.address)
                refusal = attempts.refusal_of(error)
                elsewhere = self._opener.alternatives or opened.node is not None
                opened = self._next(opened, refusal)
                if refusal and refusal.node:
                    given = isinstance(self._opener, GivenClient)  # names the same node for ever
                    attempts.follow(error, 0 if given else _patience(opened))
                else:
                    attempts.repeat(error, refusal, elsewhere=elsewhere)
            except Exception as error:
                raise _failed_login(opened, error) from error

    def _next(self, opened: Opened, refusal: Refusal | None) -> Opened:
        """Return the client to use after an error of one."""
        node = refusal.node if refusal else None
        if node and not node[0] and opened.pool:
            node = (opened.pool.connection_kwargs["host"], node[1])
        asked = self._asked
        if node and refusal and refusal.code == "ASK":
            if asked is None or asked.node != node or asked.pid != os.getpid():
                asked = self._asked = self._opener.open(node, asking=True)
            return asked
        if asked:  # the slot has been moved, or the node has failed
            self._asked = None
            asked.close_idle()
        # Another thread with the same connections may have been first.
        if self._opened is opened:
            self._opened = self._opener.replace(opened, node)
        return self._opened


class _Attempts:
    """The attempts to carry out one command, which end with an error that is raised."""

    def __init__(self, repeat_within: float) -> None:
        self._start = time.monotonic()
        self._repeat_until = self._start + repeat_within
        self._moves, self._repetitions = _MOVES, 1
        self._handled = sys.exception()  # by the caller

    def refusal_of(self, error: Exception) -> Refusal | None:
        """Return why the server refused the command, or None if the connection failed."""
        if (text := full_pool(error)) is not None:
            raise _as(MaxConnectionsError, error, text) from None
        refusal = refusal_of(error, self._handled)
        if not refusal and not isinstance(error, (ConnectionError, TimeoutError)):
            raise error
        if refusal and refusal.code == "TRYAGAIN":
            raise _moving(error) from None
        return refusal

    def follow(self, error: Exception, patience: float) -> None:
        """Wait until the node of a redirection can be asked."""
        if self._moves:
            self._moves -= 1
        elif time.monotonic() < self._start + patience:
            time.sleep(_PAUSE)
        elif patience:
            raise _moving(error) from None
        else:
            raise error

    def repeat(self, error: Exception, refusal: Refusal | None, *, elsewhere: bool) -> None:
        """Allow the one repetition, if the command was not executed or may be executed twice."""
        unsent = elsewhere and was_not_sent(error, self._handled)
        if self._repetitions and (refusal or unsent or time.monotonic() < self._repeat_until):
            self._repetitions -= 1
        elif refusal and refusal.code in UNAVAILABLE:
            # Like no connection, because the server refuses every command.
            raise _as(ConnectionError, error, f"{refusal.code} {error}") from None
        else:
            raise error


@cache
def _digest(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def _failed_login(opened: Opened, error: Exception) -> RedisError:
    """Return the error of a credential provider, whose client has been given, as one of redis-py.

    The connection that was being made is in the pool, open and without a login.
    """
    opened.close_idle()
    error.add_note(opened.address)
    return _as(AuthenticationError, error, f"{type(error).__name__}: {error}")


def _patience(opened: Opened) -> float:
    """Return the seconds that a client waits for a reply."""
    limit = opened.pool.connection_kwargs.get("socket_timeout") if opened.pool else None
    return _PATIENCE if limit is None else float(limit)


def _moving(error: Exception) -> RedisError:
    """Return the error of a command whose slot is being moved."""
    return _as(TryAgainError, error, f"The hash slot is being moved to another node ({error}).")


def _as(kind: type[RedisError], error: Exception, message: str) -> RedisError:
    """Return an error of another kind, with the same notes."""
    other = kind(message)
    for note in error.__notes__:
        other.add_note(note)
    return other
