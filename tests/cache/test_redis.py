"""The backend in Redis: commands, eviction, persistence, failing servers, forks, clusters."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cache.concurrency import in_a_child, in_threads
from tests.cache.redis_server import (
    Cluster,
    Server,
    backend,
    cluster_backend,
    opened,
    shared,
    shared_cluster,
)
from tests.waiting import SECONDS, until
from unigate.cache import RuntimeCache
from unigate.cache.memory import MemoryBackend
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_connections import Connections
from unigate.cache.redis_refusals import Refusal, refusal_of
from unigate.cache.redis_urls import parse

pytestmark = pytest.mark.usefixtures("bounded")

Opener = Callable[[], AbstractContextManager[RedisBackend]]
DAY = 24 * 60 * 60


@pytest.fixture
def cache() -> Iterator[RedisBackend]:
    with backend() as fresh:
        yield fresh


@pytest.fixture(params=[backend, cluster_backend], ids=["alone", "cluster"])
def opener(request: pytest.FixtureRequest) -> Opener:
    chosen: Opener = request.param
    return chosen


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be killed or filled up."""
    with Server() as running:
        yield running


def put(
    cache: RedisBackend, key: str, value: bytes = b"1", *tags: str, ttl: float | None = None
) -> None:
    cache.set(key, value, ttl=ttl, tags=tags, name=None)


def eventually(call: Callable[[], object]) -> None:
    """Repeat a call until it succeeds."""

    def works() -> bool:
        try:
            call()
        except redis.RedisError:
            return False
        return True

    until(works)


# One round trip


OPERATIONS: dict[str, tuple[Callable[[RedisBackend], object], list[str]]] = {
    "get": (lambda cache: cache.get("k0"), ["MGET"]),
    "get of a missing key": (lambda cache: cache.get("k"), ["MGET"]),
    "get_many": (lambda cache: cache.get_many([f"k{n}" for n in range(500)]), ["MGET"]),
    "get_many of none": (lambda cache: cache.get_many([]), []),
    "set": (lambda cache: put(cache, "k", b"1", *map(str, range(128))), ["EVALSHA"]),
    "set_many": (
        lambda cache: cache.set_many({f"k{n}": b"1" for n in range(500)}, ttl=9, tags=["t"]),
        ["EVALSHA"],
    ),
    "add": (lambda cache: cache.add("k", b"1", ttl=9, tags=["t"], name=None), ["EVALSHA"]),
    "add of a key that has a value": (
        lambda cache: cache.add("k0", b"1", ttl=9, tags=["t"], name=None),
        ["EVALSHA"],
    ),
    "replace": (
        lambda cache: cache.replace("k0", b"1", b"2", ttl=9, tags=["t"], name=None),
        ["EVALSHA"],
    ),
    "remove": (lambda cache: cache.remove("k0", b"1"), ["EVALSHA"]),
    "increment": (lambda cache: cache.increment("k0", 1), ["EVALSHA"]),
    "increment of a missing key": (lambda cache: cache.increment("k", 1), ["EVALSHA"]),
    "touch": (lambda cache: cache.touch("k0", 9), ["EVALSHA"]),
    "pop": (lambda cache: cache.pop("k0"), ["EVALSHA"]),
    "set_many of none": (lambda cache: cache.set_many({}, ttl=9, tags=["t"]), []),
    "delete": (lambda cache: cache.delete(f"k{n}" for n in range(500)), ["UNLINK"]),
    "delete of none": (lambda cache: cache.delete([]), []),
    "expire_tags": (lambda cache: cache.expire_tags(["t", "u"]), ["UNLINK"]),
    "expire_tags of none": (lambda cache: cache.expire_tags([]), []),
    "clear": (lambda cache: cache.clear(), ["UNLINK"]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_call_is_one_command(cache: RedisBackend, name: str) -> None:
    call, expected = OPERATIONS[name]
    for _ in range(2):  # the server gets to know the scripts
        cache.set_many({f"k{n}": b"1" for n in range(500)}, ttl=None, tags=["t"])
        call(cache)
    cache.delete(["k"])
    cache.set_many({f"k{n}": b"1" for n in range(500)}, ttl=None, tags=["t"])
    with shared().commands() as commands:
        call(cache)
    assert commands == expected


def test_an_unknown_script_is_sent_once(cache: RedisBackend) -> None:
    put(cache, "k")
    cache.get("k")
    shared().run("SCRIPT", "FLUSH")
    with shared().commands() as commands:
        assert cache.increment("k", 1) == 2
        assert cache.increment("k", 1) == 3
        put(cache, "k")
        put(cache, "k")
    assert commands == ["EVALSHA", "EVAL", "EVALSHA", "EVALSHA", "EVAL", "EVALSHA"]


def test_a_new_connection_sends_no_needless_commands(cache: RedisBackend) -> None:
    put(cache, "k")
    cache.get("k")
    cache.close()
    with shared().commands() as commands:
        assert cache.get("k") == b"1"
    assert [name for name in commands if name != "CLIENT"] == [
        "MGET"
    ]  # CLIENT: redis-py's name and version


def test_calls_one_after_the_other_share_a_connection(server: Server) -> None:
    def connections() -> int:
        return len(server.client.client_list(_type="normal"))

    before = connections()
    with opened(server.url()) as cache:
        for number in range(20):
            put(cache, f"k{number}")
        assert connections() == before + 1
        cache.close()
        until(lambda: connections() == before)
        assert cache.get("k1") == b"1"


def test_expiring_a_tag_removes_one_key_for_any_number_of_entries(cache: RedisBackend) -> None:
    cache.set_many({f"k{n}": b"1" for n in range(3000)}, ttl=None, tags=["t"])
    before = shared().run("DBSIZE")
    cache.expire_tags(["t"])
    assert shared().run("DBSIZE") == before - 1
    assert cache.get_many([f"k{n}" for n in range(3000)]) == {}


def test_it_waits_for_a_network() -> None:
    assert RedisBackend.waits


# Keys, values, namespaces


HARD = ["", "a,b", "{", "}", "{}", "a{b}c", "\0", "\r\n", "é", "\U0001f600", "\udc80", "x" * 256]
NAMESPACES = ["a", "A", "b}", "}b", "{", "{}", "a}:key:", "é", "a b&c=d?e", "a%7D", "\0"]


@pytest.mark.parametrize("text", HARD)
def test_any_text_is_a_key_and_a_tag(opener: Opener, text: str) -> None:
    with opener() as cache:
        others = {name: name.encode("utf-8", "replace") for name in ("?", "other" + text)}
        put(cache, text, b"hard", text)
        for name, value in others.items():
            put(cache, name, value, name)
        assert cache.get(text) == b"hard"
        assert cache.get_many([text, *others]) == {text: b"hard", **others}
        cache.expire_tags([text])
        assert cache.get_many([text, *others]) == others
        cache.delete([text, "other" + text])
        assert cache.get_many([text, *others]) == {"?": b"?"}


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"\r\n", bytes(range(256)) * 300, b"\xff" * 2 * 1024 * 1024]
)
def test_any_bytes_are_a_value(cache: RedisBackend, value: bytes) -> None:
    put(cache, "k", value, "t")
    assert cache.get("k") == value
    cache.set_many({"a": value, "b": b"x", "c": value}, ttl=None, tags=[])
    assert cache.get_many(["c", "b", "a"]) == {"a": value, "b": b"x", "c": value}


def test_namespaces_have_nothing_in_common(opener: Opener) -> None:
    with opener():
        node = (shared() if opener is backend else shared_cluster().nodes[0]).url
    caches = [RedisBackend(node(namespace=namespace)) for namespace in NAMESPACES]
    for number, cache in enumerate(caches):
        cache.set_many({"k": b"%d" % number, "l": b"l"}, ttl=None, tags=["t"])
    for number, cache in enumerate(caches):
        assert cache.get("k") == b"%d" % number
    caches[0].clear()
    caches[1].expire_tags(["t"])
    for number, cache in enumerate(caches):
        assert len(cache.get_many(["k", "l"])) == (0 if number < 2 else 2)
        cache.clear()
        cache.close()


def test_clearing_leaves_foreign_keys(cache: RedisBackend) -> None:
    shared().run("SET", "foreign", "1")
    put(cache, "k")
    cache.clear()
    assert cache.get("k") is None
    put(cache, "k", b"2")
    assert cache.get("k") == b"2"
    assert shared().run("GET", "foreign") == b"1"


def test_the_default_namespace_is_unigate() -> None:
    with opened(shared().url()) as one, opened(shared().url(namespace="unigate")) as other:
        put(one, "k", b"same")
        assert other.get("k") == b"same"


HELD = ["", "a", "b", "\0{}", "?", "\udc80"]
keys = st.sampled_from(HELD)
tag_lists = st.lists(st.sampled_from(["a", "b", "x,y", "{}", "?", "\udc80"]), unique=True)
steps = st.one_of(
    st.tuples(st.just("put"), st.dictionaries(keys, st.binary(max_size=5)), tag_lists),
    st.tuples(st.just("delete"), st.lists(keys)),
    st.tuples(st.just("expire_tags"), tag_lists),
    st.tuples(st.just("clear")),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(steps, max_size=12))
def test_it_holds_what_a_cache_in_memory_holds(operations: list[tuple[Any, ...]]) -> None:
    plain = MemoryBackend()
    with backend() as cache:
        for name, *arguments in operations:
            for each in (plain, cache):
                if name == "put":
                    each.set_many(arguments[0], ttl=None, tags=arguments[1])
                else:
                    getattr(each, name)(*arguments)
            assert cache.get_many(HELD) == plain.get_many(HELD)


# Lifetimes


def test_a_value_ends_with_its_ttl(cache: RedisBackend) -> None:
    put(cache, "short", b"1", ttl=0.0001)
    put(cache, "long", b"1", ttl=100 * 365 * DAY)
    until(lambda: cache.get("short") is None)
    assert cache.get("long") == b"1"


@pytest.mark.parametrize("first", [60.0, None, 400.0 * DAY])
@pytest.mark.parametrize("second", [60.0, None, 400.0 * DAY])
def test_every_key_can_be_evicted_and_no_entry_outlives_a_tag(
    server: Server, first: float | None, second: float | None
) -> None:
    with opened(server.url()) as cache:
        put(cache, "a", b"1", "t", ttl=first)
        put(cache, "b", b"1", "t", ttl=second)
    lives = {
        key: server.run("TTL", "{unigate}:" + key) for key in ("all", "tag:t", "key:a", "key:b")
    }
    assert len(lives) == server.run("DBSIZE")
    for key, ttls in {"all": [first, second], "tag:t": [first, second], "key:a": [first]}.items():
        expected = max(30 * DAY if ttl is None else ttl for ttl in ttls)
        assert expected - 30 < lives[key] <= expected


# Eviction and persistence


@pytest.mark.parametrize("lost", ["{unigate}:tag:t", "{unigate}:all"])
def test_an_entry_whose_record_was_evicted_never_comes_back(server: Server, lost: str) -> None:
    with opened(server.url()) as cache:
        put(cache, "old", b"1", "t", "u")
        server.run("DEL", lost)
        assert cache.get("old") is None
        put(cache, "new", b"2", "t", "u")  # recreates the record
        assert cache.get_many(["old", "new"]) == {"new": b"2"}
        cache.expire_tags(["u"])
        assert cache.get_many(["old", "new"]) == {}


@pytest.mark.parametrize(
    "policy", ["allkeys-random", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl"]
)
def test_a_full_server_evicts_but_never_returns_expired_values(server: Server, policy: str) -> None:
    server.run("CONFIG", "SET", "maxmemory-policy", policy)
    with opened(server.url()) as cache:
        put(cache, "k")
        used = server.client.info("memory")["used_memory"]
        server.run("CONFIG", "SET", "maxmemory", used + 1_000_000)
        expired: set[str] = set()
        hits = 0
        for number in range(3000):
            put(cache, f"k{number}", b"%d" % number * 100, f"t{number % 50}")
            if number % 100 == 99:
                cache.expire_tags([f"t{number % 7}"])
                expired |= {f"k{n}" for n in range(number + 1) if n % 50 == number % 7}
                values = cache.get_many([f"k{n}" for n in range(number + 1)])
                assert values == {key: key[1:].encode() * 100 for key in values}
                assert not values.keys() & expired
                hits += len(values)
        assert hits
        assert server.client.info("stats")["evicted_keys"]


def test_a_full_server_that_evicts_nothing_still_reads_and_expires(server: Server) -> None:
    with opened(server.url()) as cache:
        cache.set_many({"a": b"1", "b": b"2"}, ttl=60, tags=["t"])
        put(cache, "c", b"3", ttl=60)
        server.run("CONFIG", "SET", "maxmemory", 1)
        for ttl in (1, 60, None):  # the last one extends the ttl of records, too
            with pytest.raises(redis.ResponseError):
                put(cache, "d", b"4", "t", ttl=ttl)
        assert cache.get_many(["a", "b", "c", "d"]) == {"a": b"1", "b": b"2", "c": b"3"}
        cache.expire_tags(["t"])
        assert cache.get_many(["a", "b", "c", "d"]) == {"c": b"3"}


def test_a_restarted_empty_server_has_misses_and_then_hits(server: Server) -> None:
    with opened(server.url()) as cache:
        put(cache, "k", b"1", "t")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            cache.get("k")
        server.start()
        assert cache.get("k") is None
        put(cache, "l", b"2", "t")
        assert cache.get_many(["k", "l"]) == {"l": b"2"}


@pytest.mark.parametrize(
    "persistence",
    [["--save", "3600", "1"], ["--appendonly", "yes", "--appendfsync", "always"]],
    ids=["snapshot", "log"],
)
def test_persisted_entries_survive_a_restart(persistence: list[str]) -> None:
    with Server(*persistence) as server, opened(server.url()) as cache:
        put(cache, "kept", b"1", "kept", ttl=1000)
        put(cache, "expired", b"2", "gone")
        put(cache, "deleted", b"3")
        cache.expire_tags(["gone"])
        cache.delete(["deleted"])
        server.stop()
        server.start()
        assert cache.get_many(["kept", "expired", "deleted"]) == {"kept": b"1"}
        put(cache, "new", b"4", "gone")
        assert cache.get_many(["kept", "expired", "new"]) == {"kept": b"1", "new": b"4"}
        cache.expire_tags(["kept"])
        assert cache.get("kept") is None


def test_a_log_survives_a_killed_server() -> None:
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    with Server(*options) as server, opened(server.url()) as cache:
        put(cache, "kept", b"1", "kept")
        put(cache, "expired", b"2", "gone")
        cache.expire_tags(["gone"])
        server.kill()
        server.start()
        assert cache.get_many(["kept", "expired"]) == {"kept": b"1"}


# Faults


@contextmanager
def silent() -> Iterator[tuple[int, list[socket.socket]]]:
    """Yield the port of a server that accepts connections and never responds, and its sockets."""
    accepted: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)
            assert not thread.is_alive()
            for connection in accepted:
                connection.close()


def test_a_silent_server_is_called_once() -> None:
    with silent() as (port, accepted), opened(f"redis://127.0.0.1:{port}") as cache:
        for number in range(1, 4):
            with pytest.raises(redis.TimeoutError):
                cache.get("k")
            assert len(accepted) == number


def test_a_stopped_server_is_called_once(server: Server) -> None:
    with opened(server.url()) as cache:
        put(cache, "k")
        port = server.port
        server.kill()
        with pytest.raises(redis.ConnectionError):
            cache.get("k")
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
        server.start()


def test_a_server_that_hangs_costs_a_timeout_a_few_times_and_then_nothing() -> None:
    with silent() as (port, accepted):
        with opened(f"redis://127.0.0.1:{port}?socket_timeout=0.05") as store:
            cache = RuntimeCache(backend=store)
            for number in range(500):
                assert cache.get("k", "missing") == "missing"
                cache.set(f"k{number}", number, tags=["t"])
                cache.expire_tag("t")
        # A get, three attempts to set, and one to remove the value that could not be replaced. The
        # get and the removal are repeated while there is time.
        assert 5 <= len(accepted) <= 7


def test_a_server_that_hung_is_used_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unigate.cache.guard.REST", 0.05)
    with opened(server.url(socket_timeout=0.1)) as store:
        cache = RuntimeCache(backend=store)
        cache.set("k", "value")
        server.freeze()
        assert cache.get("k") is None
        assert cache.get("k") is None
        server.thaw()
        until(lambda: cache.get("k") == "value")


@pytest.mark.parametrize(("options", "waits"), [("", False), ("?socket_timeout=20", True)])
def test_the_url_sets_the_timeout_of_replies(server: Server, options: str, waits: bool) -> None:
    with opened(f"redis://127.0.0.1:{server.port}{options}") as cache:
        eventually(lambda: put(cache, "k"))
        server.freeze()
        timer = threading.Timer(1.5, server.thaw)
        timer.start()
        if waits:
            assert cache.get("k") == b"1"
        else:
            with pytest.raises(redis.TimeoutError):
                cache.get("k")
        timer.join(SECONDS)


@pytest.mark.parametrize(("options", "seconds"), [("", 0.25), ("?socket_connect_timeout=2", 2.0)])
def test_the_timeout_of_connecting_is_short(options: str, seconds: float) -> None:
    connections = Connections(parse(f"redis://localhost{options}"))
    assert connections.pool
    assert connections.pool.connection_kwargs["socket_connect_timeout"] == seconds


def test_connections_that_the_server_has_closed_are_not_used(cache: RedisBackend) -> None:
    put(cache, "k")
    for _ in range(10):
        shared().run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert cache.get("k") == b"1"


def test_150_threads_can_wait(server: Server) -> None:
    with opened(server.url(socket_timeout=30)) as cache, ThreadPoolExecutor(150) as threads:
        put(cache, "k")
        server.freeze()
        waiting = [threads.submit(cache.get, "k") for _ in range(150)]
        time.sleep(0.5)
        server.thaw()
        assert [each.result(SECONDS) for each in waiting] == [b"1"] * 150


def test_threads_get_their_own_values(opener: Opener) -> None:
    def work(number: int) -> None:
        for turn in range(60):
            value = b"%d.%d" % (number, turn) * (1 + turn * 50)
            put(cache, f"k{number}", value, f"t{number}")
            assert cache.get(f"k{number}") == value
            if turn % 9 == 0:
                cache.expire_tags([f"t{number}"])
                assert cache.get(f"k{number}") is None

    with opener() as cache:
        in_threads(work, 32)


def test_no_request_fails_while_the_server_dies_and_comes_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unigate.cache.guard.REST", 0.1)
    over = threading.Event()
    hits = dict.fromkeys(range(8), 0)
    misses = dict.fromkeys(range(8), 0)

    def work(number: int) -> None:
        while not over.is_set():
            assert cache.get_or_set(f"made {number}", lambda: [number], tags=["t"]) == [number]
            value = cache.get(f"k{number}")
            assert value in (None, {"number": number})
            if value is None:
                misses[number] += 1
                cache.set(f"k{number}", {"number": number}, tags=["t"])
            else:
                hits[number] += 1

    def all_have_more(counts: dict[int, int]) -> None:
        before = dict(counts)
        until(lambda: all(counts[each] > before[each] for each in counts))

    with opened(server.url()) as store, ThreadPoolExecutor(8) as threads:
        cache = RuntimeCache(backend=store)
        working = [threads.submit(work, number) for number in range(8)]
        try:
            all_have_more(hits)
            for _ in range(3):
                server.kill()
                all_have_more(misses)
                server.start()
                all_have_more(hits)
        finally:
            over.set()
        for each in working:
            each.result(SECONDS)


# Forks


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_opens_its_own_connections(cache: RedisBackend) -> None:
    def work() -> None:
        for number in range(100):
            put(cache, f"{os.getpid()}", b"%d %d" % (os.getpid(), number))
            assert cache.get(f"{os.getpid()}") == b"%d %d" % (os.getpid(), number)

    def check() -> None:
        assert cache.get("k") == b"1"
        work()
        cache.close()

    put(cache, "k")
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        in_a_child(check)
        working.result(SECONDS)
    in_a_child(cache.close)
    assert cache.get("k") == b"1"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_lock_of_the_parents_threads() -> None:
    connections = Connections(parse(shared().url()))

    def check() -> None:
        connections.close()
        assert connections.execute("ECHO", "child") == b"child"

    assert connections.execute("ECHO", "parent") == b"parent"
    locked, over = threading.Event(), threading.Event()

    def hold() -> None:
        assert connections.pool
        with connections.pool._lock:
            locked.set()
            assert over.wait(SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(SECONDS)
    try:
        in_a_child(check)
    finally:
        over.set()
        holder.join(SECONDS)
    connections.close()


# URLs


def test_password_and_database_are_taken_from_the_url(server: Server) -> None:
    server.run("ACL", "SETUSER", "ada", "on", ">p%40:/ss", "~{unigate}:*", "+@all")
    server.run("CONFIG", "SET", "requirepass", "secret")
    where = f"127.0.0.1:{server.port}"
    with (
        opened(f"redis://ada:p%2540%3A%2Fss@{where}/3?socket_timeout=10") as cache,
        opened(f"redis://:secret@{where}/3?socket_timeout=10") as same,
        opened(f"redis://:secret@{where}/?db=4&socket_timeout=10") as other,
        opened(f"redis://:wrong@{where}/3?socket_timeout=10") as stranger,
    ):
        put(cache, "k", b"1", "t")
        assert cache.get("k") == b"1"
        assert same.get("k") == b"1"
        assert other.get("k") is None
        cache.expire_tags(["t"])
        assert same.get("k") is None
        with pytest.raises(redis.AuthenticationError) as refused:
            stranger.get("k")
        assert "wrong" not in str(refused.value)


def test_a_server_can_be_behind_a_socket_or_tls(tmp_path: Any) -> None:
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *names], check=True, capture_output=True, timeout=SECONDS)
    tls = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
    path = str(tmp_path / "a socket")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--tls-port", str(port), *tls, "--tls-auth-clients", "no", "--unixsocket", path]
    with Server(*options):
        trusted = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
        with (
            opened(f"unix://{path.replace(' ', '%20')}?db=0&namespace=unigate") as cache,
            opened(f"{trusted}&socket_timeout=10") as same,
            opened(f"{trusted.replace('rediss:', 'valkeys:')}&socket_timeout=10") as again,
            opened(f"rediss://127.0.0.1:{port}/0?socket_timeout=10") as careful,
        ):
            put(cache, "k", b"socket")
            assert same.get("k") == b"socket"
            assert again.get("k") == b"socket"
            with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                careful.get("k")


def test_valkey_is_a_scheme(cache: RedisBackend) -> None:
    with opened(shared().url().replace("redis", "valkey", 1)) as store:
        put(store, "k")
        assert store.get("k") == b"1"


def test_a_url_can_open_a_cache() -> None:
    cache = RuntimeCache(backend=shared().url(namespace="by URL"), strict=True)
    cache.set("k", {"a": None}, tags=["x,y"])
    assert cache["k"] == {"a": None}
    cache.expire_tag("x,y")
    assert "k" not in cache
    cache.backend.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@localhost?namespaces=a",
        "redis://:secret@localhost?db=x",
        "http://:secret@a",
    ],
)
def test_a_wrong_url_is_an_error_at_once(url: str) -> None:
    with pytest.raises(ValueError) as error:
        RedisBackend(url)
    assert "secret" not in str(error.value)


def test_missing_redis_py_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("unigate.cache.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r'pip install "unigate\[redis\]"'):
        import_module("unigate.cache.redis")


# Clusters


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("MOVED 12 node.example.org:7000", Refusal("MOVED", ("node.example.org", 7000))),
        ("MOVED 12 2001:db8::1:7000", Refusal("MOVED", ("2001:db8::1", 7000))),
        (redis.exceptions.MovedError("12 :7000"), Refusal("MOVED", ("", 7000))),
        (redis.exceptions.AskError("12 203.0.113.1:7000"), Refusal("ASK", ("203.0.113.1", 7000))),
        ("ASK 12 203.0.113.1:7000", Refusal("ASK", ("203.0.113.1", 7000))),
        ("ERR MOVED 12 203.0.113.1:7000", None),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Refusal("TRYAGAIN")),
        ("CLUSTERDOWN The cluster is down", Refusal("CLUSTERDOWN")),
        (redis.exceptions.MasterDownError("Link with MASTER is down"), Refusal("MASTERDOWN")),
        (redis.exceptions.BusyLoadingError("Redis is loading"), Refusal("LOADING")),
        (redis.ReadOnlyError("You can't write against a read only replica."), Refusal("READONLY")),
        (
            "ERR Error running script (call to f_a): @user_script:9: @user_script: 9: "
            "-READONLY You can't write against a read only replica.",
            Refusal("READONLY"),
        ),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
        (redis.ConnectionError("Connection closed by server."), None),
    ],
)
def test_a_refusal_is_understood_from_any_redis_py_and_server(
    error: str | redis.RedisError, expected: Refusal | None
) -> None:
    assert refusal_of(redis.ResponseError(error) if isinstance(error, str) else error) == expected


@pytest.mark.parametrize("endpoint", ["ip", "unknown-endpoint"])
def test_every_node_redirects_to_the_owner_of_the_keys(endpoint: str) -> None:
    cluster = shared_cluster()
    owner = cluster.owner("{anywhere}")
    for number, node in enumerate(cluster.nodes):
        node.run("CONFIG", "SET", "cluster-preferred-endpoint-type", endpoint)
        with opened(node.url(namespace="anywhere")) as cache:
            put(cache, "k", b"%d" % number)
            with owner.commands() as commands:
                assert cache.get("k") == b"%d" % number
            assert commands == ["MGET"]
        node.run("CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")


def test_all_keys_of_a_namespace_are_in_one_slot() -> None:
    cluster = shared_cluster()
    with opened(cluster.nodes[0].url(namespace="c}")) as cache:
        cache.set_many(dict.fromkeys(HARD, b"1"), ttl=None, tags=HARD)
        owner = cluster.owner("{c%7D}")
        keys = owner.run("KEYS", "{c%7D}*")
        assert len(keys) == 2 * len(HARD) + 1
        assert len({owner.run("CLUSTER", "KEYSLOT", key) for key in keys}) == 1
        cache.clear()


def give_slot(cluster: Cluster, key: str, new: Server) -> None:
    """Move the slot of a key, which must be empty, to another node."""
    slot = cluster.nodes[0].run("CLUSTER", "KEYSLOT", key)
    identity = new.run("CLUSTER", "MYID")
    for node in [new, *(node for node in cluster.nodes if node is not new)]:
        eventually(lambda node=node: node.run("CLUSTER", "SETSLOT", slot, "NODE", identity))


def test_a_slot_that_has_moved_is_followed() -> None:
    with Cluster(3) as cluster:
        owner = cluster.owner("{unigate}")
        new, third = (node for node in cluster.nodes if node is not owner)
        with opened(third.url()) as cache:
            put(cache, "k", b"before", "t")
            assert cache.get("k") == b"before"
            owner.run("FLUSHALL")
            give_slot(cluster, "{unigate}", new)
            assert cache.get("k") is None
            put(cache, "k", b"after", "t")
            assert cache.get("k") == b"after"
            assert new.run("DBSIZE") == 3


@pytest.mark.parametrize("fail", [Server.kill, Server.freeze])
def test_when_the_owner_fails_the_node_of_the_url_is_called_again(
    fail: Callable[[Server], None],
) -> None:
    with Cluster(3) as cluster:
        owner = cluster.owner("{unigate}")
        first, new = (node for node in cluster.nodes if node is not owner)
        with opened(first.url(socket_timeout=1)) as cache:
            eventually(lambda: put(cache, "k", b"before"))
            fail(owner)
            with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
                cache.get("k")
            slot = new.run("CLUSTER", "KEYSLOT", "{unigate}")
            identity = new.run("CLUSTER", "MYID")
            for node in (new, first):
                node.run("CLUSTER", "SETSLOT", slot, "NODE", identity)
            eventually(lambda: put(cache, "k", b"after"))
            assert cache.get("k") == b"after"
            assert new.run("DBSIZE") == 2
