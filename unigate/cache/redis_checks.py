"""Clients and options of redis-py that the cache cannot use, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis, RedisCluster
from redis.sentinel import SentinelConnectionPool

_REPLICAS = (
    "because a replica may still have a value whose removal the cache has confirmed. It must read "
    "from the primary"
)
_REPLICA_OPTIONS = ("read_from_replicas", "load_balancing_strategy")


def check_client(client: Redis | RedisCluster) -> None:
    """Raise ValueError for a client whose reads may return what was removed."""
    if isinstance(client, RedisCluster):
        for name in _REPLICA_OPTIONS:  # the second is new in redis-py 5.3
            if getattr(client, name, None):
                raise ValueError(
                    f"client must not have {name}, {_REPLICAS}: give the cache a "
                    f"redis.RedisCluster of its own, without {name}."
                )
    else:
        pool = client.connection_pool
        if isinstance(pool, SentinelConnectionPool) and not pool.is_master:
            raise ValueError(
                f"client must not be one of replicas, {_REPLICAS}: make it with "
                "Sentinel.master_for and not with slave_for."
            )
    servers: list[Any] = [client]
    if isinstance(client, RedisCluster):
        get_nodes: Callable[[], list[Any]] = client.get_nodes
        servers = [node.redis_connection for node in get_nodes()]
    # redis-py 5.0 has no client-side cache.
    if any(getattr(server, "get_cache", lambda: None)() is not None for server in servers):
        raise ValueError(
            "client must not have a client-side cache, which cannot store what the cache reads: "
            "give the cache a client of its own, without cache and cache_config."
        )


def hint(client: object) -> str:
    """Return what to do about a client of another kind, with a leading space."""
    if type(client).__module__.partition(".")[0] != "valkey":
        return ""
    return (
        " redis-py speaks to Valkey servers too: RedisBackend('valkey://host:6379'), or "
        "RedisBackend(client=redis.Redis(host='host', port=6379))."
    )


def unknown_option(error: TypeError) -> str:
    """Return what to say about a URL, given the error of redis-py's connection for its options."""
    name = str(error).partition("'")[2].partition("'")[0]
    if name in _REPLICA_OPTIONS:
        return f"The URL of the cache must not have {name}, {_REPLICAS}: remove the option."
    return (
        f"The URL of the cache has an unknown option: {name or error}. Its query takes namespace "
        "and the options of a connection of redis-py, such as socket_timeout."
    )
