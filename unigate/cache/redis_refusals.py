"""What an error of redis-py says about a command: refused without being executed, or not sent."""

from __future__ import annotations

import re
from typing import NamedTuple

from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    ConnectionError,
    MasterDownError,
    MaxConnectionsError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from .redis_urls import Node

# Subclasses come first.
_CLASSES: dict[type[RedisError], str] = {
    MovedError: "MOVED",
    AskError: "ASK",
    MasterDownError: "MASTERDOWN",
    ClusterDownError: "CLUSTERDOWN",
    TryAgainError: "TRYAGAIN",
    ReadOnlyError: "READONLY",
    BusyLoadingError: "LOADING",
    ClusterError: "TRYAGAIN",  # a RedisCluster that has followed 16 of MOVED, ASK and TRYAGAIN
}

# redis-py before 6 has these classes only for replies in its cluster client. Redis before 7 wraps
# an error inside a script: "ERR Error running script (...): -READONLY You can't write ...".
_CODE = re.compile(rf"(?:ERR Error running script .*?-)?({'|'.join(_CLASSES.values())}) (.*)", re.S)

# What redis-py says of a pool that is full, and what to do. Neither error had a class of its own
# before redis-py 6, and that of a BlockingConnectionPool has none.
_FULL_POOL = {
    "No connection available.": "No connection of the pool became free: raise its max_connections "
    "or its timeout.",
    "Too many connections": "All connections of the pool are in use: raise its max_connections, or "
    "give a redis.BlockingConnectionPool, which waits for a free one.",
}

UNAVAILABLE = frozenset({"MASTERDOWN", "CLUSTERDOWN"})
"""Codes with which a server refuses every command. LOADING is a ConnectionError in redis-py."""


class Refusal(NamedTuple):
    """The reply of a server that has not executed a command, because of its role or state."""

    code: str
    node: Node | None = None
    """Where MOVED and ASK send the client; an empty host is that of the server that replied."""


def refusal_of(error: BaseException, handled: BaseException | None = None) -> Refusal | None:
    """Return the refusal in an error, None if the error is of another kind.

    Args:
        error: The error.
        handled: What the caller was handling already when it sent the command.
    """
    # redis-py's Sentinel client raises a ConnectionError where a former primary is read-only.
    for each in (error, _context(error, handled)):
        for kind, code in _CLASSES.items():
            if isinstance(each, kind):
                node = (each.host, each.port) if isinstance(each, AskError) else None
                return Refusal(code, node)
        if isinstance(each, ResponseError) and (match := _CODE.match(str(each))):
            code, rest = match.groups()
            return Refusal(code, _node(rest) if code in ("MOVED", "ASK") else None)
    return None


def _node(text: str) -> Node:
    host, _, port = text.partition(" ")[2].rpartition(":")
    return host, int(port)


def was_not_sent(error: BaseException, handled: BaseException | None = None) -> bool:
    """Return True if no connection was made, so that no server has the command.

    Args:
        error: The error.
        handled: What the caller was handling already when it sent the command.
    """
    return isinstance(_context(error, handled), ConnectionRefusedError)


def _context(error: BaseException, handled: BaseException | None) -> BaseException | None:
    return None if error.__context__ is handled else error.__context__


def full_pool(error: BaseException) -> str | None:
    """Return what to do about a pool whose connections are all in use; None for another error.

    None of them was tried.
    """
    if not isinstance(error, ConnectionError):
        return None
    text = str(error)
    return _FULL_POOL.get(text, text if isinstance(error, MaxConnectionsError) else None)
