"""Clients of redis-py for a URL, or made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom
from typing import Any, NamedTuple, Protocol

try:
    from redis import ConnectionPool, CredentialProvider, Redis, RedisCluster
    from redis.backoff import NoBackoff
    from redis.client import Pipeline
    from redis.cluster import ClusterPipeline
    from redis.exceptions import RedisError
    from redis.retry import Retry
    from redis.sentinel import Sentinel, SentinelConnectionPool
except ImportError as error:
    raise ImportError('A cache in Redis needs redis-py: pip install "unigate[redis]"') from error

from .redis_checks import check_client, hint, unknown_option
from .redis_pools import Credentials, Limit, close_idle, without_name
from .redis_sentinels import Sentinels, following_the_primary
from .redis_urls import Node, RedisURL

_DEFAULTS: dict[str, Any] = without_name() | {
    "max_connections": 2**31,  # one per thread; running out would be an error
    "protocol": 2,  # RESP3 would take a round trip more to connect
    "retry": Retry(NoBackoff(), 0),
    "socket_connect_timeout": 0.25,
    "socket_timeout": 0.5,
}


class Opened(NamedTuple):
    """A client in use."""

    client: Redis | RedisCluster
    execute: Callable[..., Any]
    """The client's method for a command."""
    pid: int
    """The process that opened it."""
    node: Node | None = None
    """The node of a cluster to which it leads, if another node has named it."""

    @property
    def pool(self) -> ConnectionPool | None:
        """The pool of the client; None for `RedisCluster`, which has one for each node."""
        return None if isinstance(self.client, RedisCluster) else self.client.connection_pool

    @property
    def address(self) -> str:
        """Where the client connects to, without credentials."""
        pool = self.pool
        if pool is None:
            return "a cluster"
        if isinstance(pool, SentinelConnectionPool):
            primary = "{}:{}".format(*pool.master_address) if pool.master_address else "unknown"
            return f"primary {pool.service_name!r} at {primary}"
        options = pool.connection_kwargs
        path: str | None = options.get("path")
        return path or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

    def close_idle(self) -> None:
        """Close the connections that no thread uses at the moment."""
        if self.pool:  # a RedisCluster reads the map of its cluster again by itself
            close_idle(self.pool)


# redis-py does not annotate these constructors.
_new_sentinels: Callable[..., Sentinel] = Sentinels
_new_sentinel_pool: Callable[..., ConnectionPool] = SentinelConnectionPool


def _asking(client: Redis) -> Callable[..., Any]:
    """Return a method for a command, which sends ASKING before it."""

    def execute(*command: Any, **options: Any) -> Any:
        with client.pipeline(transaction=False) as pipeline:
            queue: Callable[..., object] = pipeline.execute_command
            queue("ASKING")
            queue(*command, **options)
            reply = pipeline.execute(raise_on_error=False)[-1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return execute


class Opener(Protocol):
    """Where clients come from."""

    alternatives: bool
    """Whether a client opened next may lead to another node."""

    def open(self, node: Node | None = None, *, asking: bool = False) -> Opened:
        """Open a client, of a node that another one has named if given.

        Args:
            node: The node.
            asking: Whether another node is moving a slot to it, which it serves only if asked to.
        """

    def replace(self, opened: Opened, node: Node | None) -> Opened:
        """Return a client to use instead, and close the idle connections of the old one."""

    def close(self, opened: Opened) -> None:
        """Close the connections."""


class URLClients:
    """Clients for a URL.

    Raises:
        ValueError: The URL has an unknown option, or one with a wrong value.
        TypeError: `credential_provider` is of another kind.
    """

    def __init__(self, url: RedisURL, credential_provider: CredentialProvider | None) -> None:
        self._url = url
        self._options = _DEFAULTS | url.options
        self._limit: Limit | None = None
        if (number := url.options.get("max_connections")) is not None:
            self._limit = Limit(number, self._options["socket_timeout"])
            self._options["max_connections"] = _DEFAULTS["max_connections"]
        if credential_provider is not None:
            if not callable(getattr(credential_provider, "get_credentials", None)):
                kind = type(credential_provider).__name__
                raise TypeError(
                    f"credential_provider must be a redis.CredentialProvider, got a {kind}."
                )
            self._options["credential_provider"] = Credentials(credential_provider)
        # In a new order, so that not all processes begin with the same node.
        self._nodes = SystemRandom().sample(url.nodes, len(url.nodes))
        self.alternatives = len(url.nodes) > 1 and url.service is None
        try:
            pool = self._pool(None)
            pool.connection_class(**pool.connection_kwargs)
        except TypeError as error:  # raised here, or every call would be a miss
            raise ValueError(unknown_option(error)) from error
        except RedisError as error:
            raise ValueError(f"The URL of the cache has a wrong option: {error}") from error

    def open(self, node: Node | None = None, *, asking: bool = False) -> Opened:
        pool = self._pool(node)
        client = Redis(connection_pool=pool)
        execute = _asking(client) if asking else following_the_primary(pool, client.execute_command)
        if self._limit is not None:
            execute = self._limit.applied_to(execute)
        return Opened(client, execute, os.getpid(), node)

    def replace(self, opened: Opened, node: Node | None) -> Opened:
        opened.close_idle()
        if self._url.service is not None:  # each new connection asks the Sentinels again
            return opened
        if self.alternatives and opened.node is None:
            self._nodes = self._nodes[1:] + self._nodes[:1]
        return self.open(node)

    def close(self, opened: Opened) -> None:
        if opened.pool and opened.pid == os.getpid():
            opened.pool.disconnect()

    def _pool(self, node: Node | None) -> ConnectionPool:
        if self._url.service is not None:
            return self._sentinel_pool(self._url.service)
        if node is None and self._nodes:
            node = self._nodes[0]
        place = {"host": node[0], "port": node[1]} if node else {}
        return ConnectionPool(**(self._options | place))

    def _sentinel_pool(self, service: str) -> ConnectionPool:
        """Return a pool whose every new connection asks the Sentinels for the primary."""
        options = dict(self._options)
        if options.pop("connection_class", None):
            options["ssl"] = True
        sentinel_options = _DEFAULTS | self._url.sentinel_options
        sentinels = _new_sentinels(self._nodes, sentinel_kwargs=sentinel_options)
        return _new_sentinel_pool(service, sentinels, **options)


class GivenClient:
    """A client or pool that remains the caller's: its own retries and timeouts apply.

    Raises:
        TypeError: The client is of another kind.
        ValueError: The client may return what was removed: it reads from replicas, or has a cache.
    """

    alternatives = False

    def __init__(self, client: Redis | RedisCluster | ConnectionPool) -> None:
        if isinstance(client, ConnectionPool):
            client = Redis(connection_pool=client)
        # A pipeline is a client whose commands wait for its `execute`.
        pipeline = isinstance(client, (Pipeline, ClusterPipeline))
        if pipeline or not isinstance(client, (Redis, RedisCluster)):
            raise TypeError(
                "client must be a redis.Redis, redis.RedisCluster or redis.ConnectionPool, "
                f"got {type(client).__module__}.{type(client).__qualname__}.{hint(client)}"
            )
        check_client(client)
        self._client = client

    def open(self, node: Node | None = None, *, asking: bool = False) -> Opened:
        client, execute = self._client, self._client.execute_command
        if isinstance(client, Redis):
            execute = following_the_primary(client.connection_pool, execute)
        return Opened(client, execute, os.getpid())

    def replace(self, opened: Opened, node: Node | None) -> Opened:
        opened.close_idle()
        return opened

    def close(self, opened: Opened) -> None:
        pass
