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
followed. An entry is read by MGET together with the records that entries of its key had last, and
only one that has others takes a second MGET. It is valid if its records have the same contents in
the second reply as in the entry, because no later record is the same.
Source: Redis, "Scripting with Lua", "Cluster specification" (hash tags, redirection), "EXPIRE",
"SET" (KEEPTTL, from Redis 6.0).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha1
from itertools import chain
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

from .redis_entries import (
    CONTENT,
    EXCHANGE,
    INCREMENT,
    POP,
    SET,
    SET_IF,
    TOUCH,
    Layout,
    Layouts,
    encoded,
)
from .values import increased

LIFE = 30 * 24 * 60 * 60.0  # seconds
MOST_IN_LUA = 2**53  # its numbers are floats

# How often a change is tried again because another client has changed the entry meanwhile.
ATTEMPTS = 1000


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
        prefix = b"{%b}:" % quote(namespace, errors="surrogatepass").encode()
        self._key_prefix = prefix + b"key:"
        self._layouts = Layouts(prefix)
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
        guess = self._layouts.guess(key)
        return self._value(key, guess, self._call("MGET", self._entry(key), *guess.records))

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        guesses = map(self._layouts.guess, keys)
        records = list(dict.fromkeys(chain.from_iterable(guess.records for guess in guesses)))
        found = self._call("MGET", *self._entries(keys), *records)
        contents = dict(zip(records, found[len(keys) :], strict=True))
        return self._values(dict(zip(keys, found[: len(keys)], strict=True)), contents)

    def _value(self, key: str, guess: Layout, found: Sequence[bytes | None]) -> bytes | None:
        """Return the value in the reply to an MGET of the key and the records of a guess."""
        entry, *contents = found
        if entry is None:
            return None
        if entry.startswith(guess.head):
            return guess.value(entry, contents)
        return self._values({key: entry}, dict(zip(guess.records, contents, strict=True))).get(key)

    def _values(
        self, entries: Mapping[str, bytes | None], contents: dict[bytes, bytes | None]
    ) -> dict[str, bytes]:
        """Return the values of valid entries, after reading the records not in `contents`."""
        layouts = {key: self._learn(key, entry) for key, entry in entries.items() if entry}
        known = [layout for layout in layouts.values() if layout]
        records = dict.fromkeys(chain.from_iterable(layout.records for layout in known))
        unread = [record for record in records if record not in contents]
        if unread:
            contents.update(zip(unread, self._call("MGET", *unread), strict=True))
        values = {}
        for key, entry in entries.items():
            if entry and (layout := layouts[key]):
                value = layout.value(entry, [contents[record] for record in layout.records])
                if value is not None:
                    values[key] = value
        return values

    def _learn(self, key: str, entry: bytes) -> Layout | None:
        layout = self._layouts.of_entry(entry)
        if layout:
            self._layouts.learn([key], layout)
        return layout

    def set(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> None:
        self.set_many({key: value}, ttl=ttl, tags=tags)

    def set_many(
        self, values: Mapping[str, bytes], *, ttl: float | None, tags: Sequence[str]
    ) -> None:
        if values:
            layout = self._layouts.of_tags(tags)
            keys = [*layout.records, *self._entries(values)]
            self._run(SET, keys, *self._new(layout, ttl), *values.values())
            self._layouts.learn(values, layout)

    def add(
        self, key: str, value: bytes, *, ttl: float | None, tags: Sequence[str], name: str | None
    ) -> bool:
        layout = self._layouts.of_tags(tags)
        return self._change_if("add", key, layout, new=value, ttl=ttl)

    def replace(
        self,
        key: str,
        old: bytes,
        new: bytes,
        *,
        ttl: float | None,
        tags: Sequence[str],
        name: str | None,
    ) -> bool:
        layout = self._layouts.of_tags(tags)
        return self._change_if("replace", key, layout, old=old, new=new, ttl=ttl)

    def remove(self, key: str, old: bytes) -> bool:
        return self._change_if("remove", key, self._layouts.guess(key), old=old)

    def _change_if(
        self,
        condition: str,
        key: str,
        layout: Layout,
        *,
        old: bytes | None = None,
        new: bytes = b"",
        ttl: float | None = None,
    ) -> bool:
        keys = [*layout.records, self._entry(key)]
        known: tuple[bytes, ...] = ()
        for _ in range(ATTEMPTS):
            arguments = (*self._new(layout, ttl), new, condition, old or b"")
            entry = self._run(SET_IF, keys, *arguments, *known)
            if isinstance(entry, int):
                if entry:
                    self._layouts.learn([key], layout)
                return bool(entry)
            if self._values({key: entry}, {}).get(key) != old:
                return False
            known = (entry,)
        return False  # others store values all the time

    def increment(self, key: str, delta: float) -> float | bytes | None:
        entry_key = self._entry(key)
        in_lua = isinstance(delta, int) and abs(delta) < MOST_IN_LUA
        for _ in range(ATTEMPTS if in_lua else 0):
            layout = self._layouts.guess(key)
            answer = self._run(INCREMENT, [entry_key, *layout.records], layout.head, int(delta))
            if not isinstance(answer, list):
                return None if answer is None else int(answer)
            if answer[0].startswith(layout.head):
                break  # not a small integer
            if not self._learn(key, answer[0]):
                return None
        return self._increment_here(key, delta)

    def _increment_here(self, key: str, delta: float) -> float | bytes | None:
        entry_key = self._entry(key)
        for _ in range(ATTEMPTS):
            guess = self._layouts.guess(key)
            found = self._call("MGET", entry_key, *guess.records)
            value = self._value(key, guess, found)
            if value is None:
                return None
            changed = increased(value, delta)
            if changed is None:
                return value
            number, new = changed
            entry = found[0][: -len(value)] + new
            if self._run(EXCHANGE, [entry_key], found[0], entry):
                return number
        raise RuntimeError(f"{ATTEMPTS} attempts to add to a number have met other changes.")

    def touch(self, key: str, ttl: float | None) -> bool:
        for _ in range(ATTEMPTS):
            layout = self._layouts.guess(key)
            keys = [self._entry(key), *layout.records]
            answer = self._run(TOUCH, keys, layout.head, milliseconds(ttl))
            if isinstance(answer, int):
                return bool(answer)
            if not self._learn(key, answer):
                break
        return False

    def pop(self, key: str) -> bytes | None:
        guess = self._layouts.guess(key)
        return self._value(key, guess, self._run(POP, [self._entry(key), *guess.records]))

    def delete(self, keys: Iterable[str]) -> None:
        self._unlink(self._entries(keys))

    def expire_tags(self, tags: Sequence[str]) -> None:
        self._unlink(self._layouts.records(tags))

    def clear(self) -> None:
        self._unlink([self._layouts.all])

    def close(self) -> None:
        if self._connections.pid == os.getpid():
            self.pool.disconnect()

    def _entry(self, key: str) -> bytes:
        return self._key_prefix + encoded(key)

    def _entries(self, keys: Iterable[str]) -> list[bytes]:
        return [self._entry(key) for key in keys]

    def _new(self, layout: Layout, ttl: float | None) -> tuple[bytes | int, ...]:
        """Return the first arguments of the scripts that store entries."""
        return len(layout.records), os.urandom(CONTENT), milliseconds(ttl), layout.head

    def _unlink(self, keys: Sequence[bytes]) -> None:
        if keys:
            self._call("UNLINK", *keys)

    def _run(self, script: str, keys: Sequence[bytes], *arguments: bytes | str | int) -> Any:
        try:
            return self._call("EVALSHA", digest(script), len(keys), *keys, *arguments)
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


def milliseconds(ttl: float | None) -> int:
    """Return the life of an entry in milliseconds."""
    return ceil((LIFE if ttl is None else ttl) * 1000)


@cache
def digest(script: str) -> str:
    """Return the name of a script in the server."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def moved_to(error: ResponseError) -> tuple[str, int] | None:
    """Return host and port of the node in a MOVED reply, None for any other error.

    An empty host means the node that sent the reply.
    """
    code, _, where = str(error).partition(" ")
    if code == "MOVED":  # redis-py before 6 parses these only in its cluster client
        error = MovedError(where)
    return (error.host, error.port) if isinstance(error, MovedError) else None
