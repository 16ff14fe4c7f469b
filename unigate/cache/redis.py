"""Backend in Redis or Valkey, over redis-py.

    {unigate}:key:<key>   an entry: the names of its records, their contents, the value
    {unigate}:tag:<tag>   a record: 8 random bytes, made by the first entry with the tag
    {unigate}:all         the record of every entry

An entry is valid while its records have the contents they had when it was written. So a tag is
expired by removing one key, its record, for any number of entries. Losing a record (by eviction, or
with the memory of the server) can only cause misses, because no later record is the same. A server
that restores an old snapshot also restores entries that expired after it, until their ttl is over.

Every key has a TTL, so that policies like `volatile-lru` can evict it and no expired entry stays
for ever: an entry without a ttl has 30 days, a record as long as the longest of its entries.

All keys of a namespace are in one hash slot, that is, on one node of a cluster; MOVED replies are
followed. Entries are read by a script that learns from the entry which records to read, so servers
that require all keys of a script to be declared cannot run it.
Source: Redis, "Scripting with Lua", "Cluster specification" (hash tags, redirection), "EXPIRE".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha1
from math import ceil
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

try:
    from redis import ConnectionPool, Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        ConnectionError,
        MovedError,
        NoScriptError,
        ResponseError,
        TimeoutError,
    )
    from redis.retry import Retry
except ImportError as error:
    raise ImportError("A cache in Redis needs redis-py: pip install 'unigate[redis]'") from error

# KEYS: entries. Returns their values, false for a missing or invalid entry.
GET = """
local values = {}
for i, key in ipairs(KEYS) do
  values[i] = false
  local entry = redis.call('GET', key)
  if entry then
    local records, contents, value = cmsgpack.unpack(entry)
    local valid = true
    for j, content in ipairs(redis.call('MGET', unpack(records))) do
      valid = valid and content == contents[j]
    end
    values[i] = valid and value
  end
end
return values
"""

# KEYS: records, then entries. ARGV: the number of records, the content of new ones, the ttl in
# milliseconds, then the value of each entry. Entries are written first, so that no record ends
# before them. A full server refuses only the first write of a script, if that takes memory.
SET = """
local count, fresh, life = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local records, contents = {}, {}
for i = 1, count do
  records[i], contents[i] = KEYS[i], redis.call('GET', KEYS[i]) or fresh
end
local head = cmsgpack.pack(records, contents)
for i = count + 1, #KEYS do
  redis.call('SET', KEYS[i], head .. cmsgpack.pack(ARGV[3 + i - count]), 'PX', life)
end
for i, record in ipairs(records) do
  if redis.call('PTTL', record) < life then
    redis.call('SET', record, contents[i], 'PX', life)
  end
end
"""

LIFE = 30 * 24 * 60 * 60.0  # seconds


class _Connections(NamedTuple):
    pool: ConnectionPool
    execute: Callable[..., Any]
    pid: int
    redirected: bool


class RedisBackend:
    """Store values in a Redis or Valkey server or cluster.

    A server has 0.25 s to accept a connection (`socket_connect_timeout`) and 0.5 s for each reply
    (`socket_timeout`). Failed commands are not retried.

    Args:
        url: A URL of redis-py: `redis://user:password@host:port/database`, `rediss://` for TLS,
            `unix:///path?db=`; `valkey://` and `valkeys://` are synonyms. The query takes the
            options of redis-py and `namespace`, which is "unigate" by default.

    Raises:
        ValueError: The scheme or an option is unknown, or an option has a wrong value.
    """

    waits = True

    def __init__(self, url: str) -> None:
        address, _, query = url.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        namespace = dict(options).get("namespace") or "unigate"
        rest = urlencode([option for option in options if option[0] != "namespace"])
        scheme, colon, where = address.partition(":")
        self._url = f"{scheme.replace('valkey', 'redis')}{colon}{where}?{rest}"
        # Quoted, because a brace in it would end the hash tag too early.
        self._prefix = b"{%b}:" % quote(namespace, errors="surrogatepass").encode()
        self._all = self._prefix + b"all"
        self._open()
        try:
            self.pool.connection_class(**self.pool.connection_kwargs)
        except TypeError as error:  # raised here, or every call would be a miss
            raise ValueError(f"The URL of the cache has an unknown option: {error}") from error

    @property
    def pool(self) -> ConnectionPool:
        """The connection pool in use."""
        return self._connections.pool

    def get(self, key: str) -> bytes | None:
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        values = self._run(GET, self._entries(keys))
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        self.set_many({key: value}, ttl=ttl, tags=tags)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        if values:
            records = [self._all, *self._records(tags)]
            life = ceil((LIFE if ttl is None else ttl) * 1000)
            keys = [*records, *self._entries(values)]
            self._run(SET, keys, len(records), os.urandom(8), life, *values.values())

    def delete(self, keys: Iterable[str]) -> None:
        self._unlink(self._entries(keys))

    def expire_tags(self, tags: Sequence[str]) -> None:
        self._unlink(self._records(tags))

    def clear(self) -> None:
        self._unlink([self._all])

    def close(self) -> None:
        if self._connections.pid == os.getpid():
            self.pool.disconnect()

    def _entries(self, keys: Iterable[str]) -> list[bytes]:
        return [self._prefix + b"key:" + key.encode("utf-8", "surrogatepass") for key in keys]

    def _records(self, tags: Iterable[str]) -> list[bytes]:
        return [self._prefix + b"tag:" + tag.encode("utf-8", "surrogatepass") for tag in tags]

    def _unlink(self, keys: Sequence[bytes]) -> None:
        if keys:
            self._call("UNLINK", *keys)

    def _run(self, script: str, keys: Sequence[bytes], *arguments: bytes | int) -> Any:
        digest = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return self._call("EVALSHA", digest, len(keys), *keys, *arguments)
        except NoScriptError:  # the first call since the server started
            return self._call("EVAL", script, len(keys), *keys, *arguments)

    def _call(self, *command: bytes | str | int) -> Any:
        connections = self._connections
        if connections.pid != os.getpid():
            # redis-py's pool is unusable here if another thread held its lock at the fork.
            connections = self._open()
        try:
            return connections.execute(*command)
        except ResponseError as error:
            node = moved_to(error)
            if node is None:
                raise
            return self._open(node).execute(*command)
        except (ConnectionError, TimeoutError):
            if connections.redirected:  # the node in the URL may know the new owner by now
                self._open()
            raise

    def _open(self, node: tuple[str, int] | None = None) -> _Connections:
        pool = ConnectionPool.from_url(
            self._url,
            max_connections=2**31,  # one per thread; running out would be an error
            protocol=2,  # RESP3 would take a round trip more to connect
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=0.25,
            socket_timeout=0.5,
        )
        if node is not None:
            host, port = node
            pool.connection_kwargs.update({"host": host} if host else {}, port=port)
        execute = Redis(connection_pool=pool).execute_command
        self._connections = _Connections(pool, execute, os.getpid(), node is not None)
        return self._connections


def moved_to(error: ResponseError) -> tuple[str, int] | None:
    """Return host and port of the node in a MOVED reply, None for any other error.

    An empty host means the node that sent the reply.
    """
    code, _, where = str(error).partition(" ")
    if code == "MOVED":  # redis-py before 6 parses these only in its cluster client
        error = MovedError(where)
    return (error.host, error.port) if isinstance(error, MovedError) else None
