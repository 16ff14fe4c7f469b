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

All keys of a namespace are in one hash slot, that is, on one node of a cluster. An entry is read by
MGET together with the records that entries of its key had last, and only one that has others takes
a second MGET. It is valid if its records have the same contents in the second reply as in the
entry, because no later record is the same.
Source: Redis, "Scripting with Lua", "Cluster specification" (hash tags), "EXPIRE",
"SET" (KEEPTTL, from Redis 6.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import redis_leases
from .redis_connections import Connections
from .redis_entries import (
    EXCHANGE,
    INCREMENT,
    POP,
    SET,
    SET_IF,
    TOUCH,
    Layout,
    Layouts,
    content,
    encoded,
)
from .redis_urls import RedisURL, parse
from .values import increased

# Behind the imports above, which say what to install if redis-py is missing.
from redis.exceptions import (  # isort: skip
    DataError,
    MaxConnectionsError,
    ResponseError,
    TryAgainError,
)

if TYPE_CHECKING:
    from redis import ConnectionPool, CredentialProvider, Redis, RedisCluster

LIFE = 30 * 24 * 60 * 60.0  # seconds
MOST_IN_LUA = 2**53  # its numbers are floats

# How often a change is tried again because another client has changed the entry meanwhile.
ATTEMPTS = 1000

# Seconds in which a read or removal whose connection was lost is repeated; not after a time-out.
REPEAT_WITHIN = 0.25


class RedisBackend:
    """Store values in Redis or Valkey: a server, a cluster, or a primary behind Sentinels.

    A server has 0.25 s to accept a connection (`socket_connect_timeout`) and 0.5 s for each reply
    (`socket_timeout`).

    Args:
        url: One of

            - `redis://user:password@host:port/database`; `rediss://` for TLS;
            - `unix:///path?db=`;
            - `redis+sentinel://user:password@host:port,host2:port/service/database`, the hosts of
              Sentinels; options that begin with `sentinel_` are those of connections to them, such
              as `sentinel_password`; `rediss+sentinel://` for TLS to both;
            - `redis+cluster://user:password@host:port,host2:port`, some nodes of a cluster;
              `rediss+cluster://` for TLS.

            `valkey` and `valkeys` are synonyms of `redis` and `rediss`. The query takes the options
            of redis-py, such as `socket_timeout` and `ssl_ca_certs`, and `namespace`. With
            `max_connections`, a thread waits for a free connection as long as for a reply.
        client: Instead of a URL, a `redis.Redis`, `redis.RedisCluster` or `redis.ConnectionPool`,
            such as one that `redis.sentinel.Sentinel.master_for` returns. It remains the caller's:
            it is not closed, and its own timeouts and retries apply.
        namespace: A prefix of all keys; "unigate" by default.
        credential_provider: With a URL: an object of redis-py that returns the user and password of
            each new connection, such as tokens of AWS IAM or Microsoft Entra ID.

    Raises:
        ValueError: The scheme or an option is unknown, or an option has a wrong value.
        TypeError: The client is of another kind, or a pipeline, or another argument has a wrong
            type.
    """

    waits = True
    entry_errors = (ResponseError, DataError)
    busy_errors = (MaxConnectionsError,)
    transient_errors = (TryAgainError,)

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Redis | RedisCluster | ConnectionPool | None = None,
        namespace: str | None = None,
        credential_provider: CredentialProvider | None = None,
    ) -> None:
        source: Redis | RedisCluster | ConnectionPool | RedisURL
        _check_text("url", url, " A client is given as RedisBackend(client=...).")
        _check_text("namespace", namespace)
        if url is not None and client is None:
            source = parse(url)
            namespace = namespace or source.namespace
        elif client is not None and url is None:
            source = client
        else:
            raise ValueError("RedisBackend must get either a URL or a client.")
        # Quoted, because a brace in it would end the hash tag too early.
        prefix = b"{%b}:" % quote(namespace or "unigate", errors="surrogatepass").encode()
        self._key_prefix = prefix + b"key:"
        self._layouts = Layouts(prefix)
        self._connections = Connections(source, credential_provider)

    def get(self, key: str) -> bytes | None:
        guess = self._layouts.guess(key)
        return self._value(key, guess, self._read(self._entry(key), *guess.records))

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        guesses = map(self._layouts.guess, keys)
        records = list(dict.fromkeys(chain.from_iterable(guess.records for guess in guesses)))
        found = self._read(*self._entries(keys), *records)
        contents = dict(zip(records, found[len(keys) :], strict=True))
        return self._values(dict(zip(keys, found[: len(keys)], strict=True)), contents)

    def _read(self, *keys: bytes) -> Any:
        execute = self._connections.execute
        try:
            return execute("MGET", *keys, repeat_within=REPEAT_WITHIN)
        except TryAgainError:
            # In any order: a record whose content is that of the entry has not changed meanwhile.
            return [execute("MGET", key, repeat_within=REPEAT_WITHIN)[0] for key in keys]

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
            contents.update(zip(unread, self._read(*unread), strict=True))
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
            self._connections.run(SET, keys, *self._new(layout, ttl), *values.values())
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
        guess = self._layouts.guess(key)
        try:
            return self._change_if("remove", key, guess, old=old, waits=False)
        except TryAgainError:  # the keys are on two nodes
            entry_key = self._entry(key)
            found = self._read(entry_key, *guess.records)
            if self._value(key, guess, found) != old:
                return False
            return bool(self._connections.run(redis_leases.RENEW, [entry_key], found[0], 0))

    def _change_if(
        self,
        condition: str,
        key: str,
        layout: Layout,
        *,
        old: bytes | None = None,
        new: bytes = b"",
        ttl: float | None = None,
        waits: bool = True,
    ) -> bool:
        keys = [*layout.records, self._entry(key)]
        known: tuple[bytes, ...] = ()
        for _ in range(ATTEMPTS):
            arguments = (*self._new(layout, ttl), new, condition, old or b"")
            entry = self._connections.run(SET_IF, keys, *arguments, *known, waits=waits)
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
            keys = [entry_key, *layout.records]
            try:
                answer = self._connections.run(
                    INCREMENT, keys, layout.head, int(delta), waits=False
                )
            except TryAgainError:  # the keys are on two nodes
                break
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
            found = self._read(entry_key, *guess.records)
            value = self._value(key, guess, found)
            if value is None:
                return None
            changed = increased(value, delta)
            if changed is None:
                return value
            number, new = changed
            entry = found[0][: -len(value)] + new
            if self._connections.run(EXCHANGE, [entry_key], found[0], entry):
                return number
        raise RuntimeError(f"{ATTEMPTS} attempts to add to a number have met other changes.")

    def touch(self, key: str, ttl: float | None) -> bool:
        for _ in range(ATTEMPTS):
            layout = self._layouts.guess(key)
            keys = [self._entry(key), *layout.records]
            answer = self._connections.run(TOUCH, keys, layout.head, milliseconds(ttl))
            if isinstance(answer, int):
                return bool(answer)
            if not self._learn(key, answer):
                break
        return False

    def pop(self, key: str) -> bytes | None:
        guess = self._layouts.guess(key)
        found = self._connections.run(POP, [self._entry(key), *guess.records])
        return self._value(key, guess, found)

    def lease(
        self, key: str, *, ttl: float | None, tags: Sequence[str]
    ) -> redis_leases.RedisLease | bytes | None:
        layout = self._layouts.of_tags(tags)
        entry_key = self._entry(key)
        keys = [*layout.records, entry_key]
        arguments = self._new(layout, redis_leases.record_ttl(ttl)) + redis_leases.new()
        known: tuple[bytes, ...] = ()

        def store(lease: bytes, value: bytes) -> bool:
            arguments = self._new(layout, ttl)
            stored = self._connections.run(redis_leases.STORE, keys, *arguments, lease, value)
            if stored:
                self._layouts.learn([key], layout)
            return bool(stored)

        for _ in range(ATTEMPTS):
            answer = self._connections.run(
                redis_leases.TAKE, keys, *arguments, *known, repeat_within=REPEAT_WITHIN
            )
            if isinstance(answer, list):
                return redis_leases.RedisLease(self._connections.run, store, entry_key, answer[0])
            if isinstance(answer, int):
                break
            if answer.startswith(layout.head):
                return bytes(answer[layout.start :])
            value = self._values({key: answer}, {}).get(key)
            if value is not None:
                return value
            known = (answer,)
        return None

    def delete(self, keys: Iterable[str]) -> None:
        self._unlink(self._entries(keys))

    def expire_tags(self, tags: Sequence[str]) -> None:
        self._unlink(self._layouts.records(tags))

    def clear(self) -> None:
        self._unlink([self._layouts.all])

    def close(self) -> None:
        self._connections.close()

    def _entry(self, key: str) -> bytes:
        return self._key_prefix + encoded(key)

    def _entries(self, keys: Iterable[str]) -> list[bytes]:
        return [self._entry(key) for key in keys]

    def _new(self, layout: Layout, ttl: float | None) -> tuple[bytes | int, ...]:
        """Return the first arguments of the scripts that store entries."""
        return len(layout.records), content(), milliseconds(ttl), layout.head

    def _unlink(self, keys: Sequence[bytes]) -> None:
        if not keys:
            return
        execute = self._connections.execute
        try:
            execute("UNLINK", *keys, repeat_within=REPEAT_WITHIN)
        except TryAgainError:
            for key in keys:
                execute("UNLINK", key, repeat_within=REPEAT_WITHIN)


def _check_text(name: str, value: object, hint: str = "") -> None:
    if value is not None and not isinstance(value, str):
        kind = type(value)
        raise TypeError(f"{name} must be a str, got {kind.__module__}.{kind.__qualname__}.{hint}")


def milliseconds(ttl: float | None) -> int:
    """Return the life of an entry in milliseconds."""
    return ceil((LIFE if ttl is None else ttl) * 1000)
