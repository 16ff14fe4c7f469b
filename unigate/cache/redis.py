"""Redis and Valkey, over redis-py.

    {unigate}:key:<key>   an entry: the records it depends on, what was in them, the value
    {unigate}:tag:<tag>   a record: 8 random bytes, made by the first entry that has the tag
    {unigate}:all         the record that every entry depends on

An entry is valid while its records are what they were when it was written. So to expire a tag is to
remove its record, whatever has it, and a record that is lost (evicted, or gone with the memory of
the server) can only make misses: no later record is the same. What a server restores from disk it
restores as it was then: with an old snapshot, what expired after it is back until its ttl is over.

Every key has a life, so that policies like `volatile-lru` can evict it and nothing that expired
stays for ever: an entry without a ttl 30 days from its writing, a record as long as its entries.

All keys of a namespace are in one hash slot, so that one node of a cluster has them all; a reply
that they moved is followed. Reading an entry takes a script, which learns from the entry which
records to read. Servers that want all keys of a script named before it runs will not run it.
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

# KEYS: entries. Returns their values, and false where there is none.
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

# KEYS: records, then entries. ARGV: how many records, what to put into new ones, milliseconds,
# then a value for each entry. Entries come first: no record ends before them then, and a full
# server refuses only the first write of a script, if that takes memory, and none after it.
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


class _Opened(NamedTuple):
    pool: ConnectionPool
    execute: Callable[..., Any]
    pid: int
    redirected: bool


class RedisBackend:
    """Keep values in a Redis or Valkey server, alone or in a cluster.

    The URL is one of redis-py: `redis://user:password@host:port/database`, `rediss://` for TLS,
    `unix:///path?db=`; `valkey://` and `valkeys://` are the same. After the `?`, besides redis-py's
    options: `namespace`. A server has 0.25 s to accept a connection (`socket_connect_timeout`) and
    0.5 s for each answer (`socket_timeout`); nothing is tried again.
    """

    waits = True

    def __init__(self, url: str) -> None:
        address, _, query = url.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        namespace = dict(options).get("namespace") or "unigate"
        rest = urlencode([option for option in options if option[0] != "namespace"])
        scheme, colon, where = address.partition(":")
        self._url = f"{scheme.replace('valkey', 'redis')}{colon}{where}?{rest}"
        # A brace in it would end the hash tag too early.
        self._prefix = b"{%b}:" % quote(namespace, errors="surrogatepass").encode()
        self._all = self._prefix + b"all"
        pool = self._open().pool
        try:
            pool.connection_class(**pool.connection_kwargs)
        except TypeError as error:  # here, where it is seen, instead of as a miss for ever
            raise ValueError(f"The URL of the cache has an option nobody knows: {error}") from error

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
        if self._opened.pid == os.getpid():
            self._opened.pool.disconnect()

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
        except NoScriptError:  # the first to ask since the server started
            return self._call("EVAL", script, len(keys), *keys, *arguments)

    def _call(self, *command: bytes | str | int) -> Any:
        opened = self._opened
        if opened.pid != os.getpid():
            # redis-py's pool is not safe here: another thread may have held its lock at the fork.
            opened = self._open()
        try:
            return opened.execute(*command)
        except ResponseError as error:
            moved = _moved(error)
            if moved is None:
                raise
            return self._open(moved).execute(*command)
        except (ConnectionError, TimeoutError):
            if opened.redirected:  # the one in the URL may know better by now
                self._open()
            raise

    def _open(self, moved: tuple[str, int] | None = None) -> _Opened:
        pool = ConnectionPool.from_url(
            self._url,
            max_connections=2**31,  # as many as there are threads; it is an error to run out
            protocol=2,  # saves a round trip
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=0.25,
            socket_timeout=0.5,
        )
        if moved is not None:
            host, port = moved
            pool.connection_kwargs.update({"host": host} if host else {}, port=port)
        execute = Redis(connection_pool=pool).execute_command
        self._opened = _Opened(pool, execute, os.getpid(), moved is not None)
        return self._opened


def _moved(error: ResponseError) -> tuple[str, int] | None:
    """Return host and port of the node that has the keys; no host means the one that answered."""
    code, _, where = str(error).partition(" ")
    if code == "MOVED":  # redis-py before 6 knows these only when it looks after a cluster itself
        error = MovedError(where)
    return (error.host, error.port) if isinstance(error, MovedError) else None
