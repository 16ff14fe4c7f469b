"""How Redis is reached: URLs, TLS, credentials, clients made elsewhere, and what errors say."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
import redis.asyncio

from tests.cache.certificate import Certificate
from tests.cache.redis_deployments import SERVICE, SentinelDeployment
from tests.cache.redis_server import PATIENT, Server, opened, shared, shared_cluster
from tests.waiting import until
from unigate import CacheError, wrap
from unigate.cache import AsyncRuntimeCache, RuntimeCache, open_backend
from unigate.cache.guard import FAILURES
from unigate.cache.redis import RedisBackend
from unigate.cache.redis_urls import RedisURL, parse

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own."""
    with Server() as running:
        yield running


def put(cache: RedisBackend, key: str, value: bytes = b"1", *tags: str) -> None:
    cache.set(key, value, ttl=None, tags=tags, name=None)


# URLs


S = {"socket_timeout": 2.0}


@pytest.mark.parametrize(
    ("url", "nodes", "service", "options", "sentinel_options"),
    [
        (
            "redis+sentinel://a:1,[::1]:2,c/my%20cache/3?socket_timeout=2",
            [("a", 1), ("::1", 2), ("c", 26379)],
            "my cache",
            S | {"db": 3},
            S,
        ),
        (
            "valkey+sentinel://ada:p%40s@a/cache?sentinel_username=eve&sentinel_password=x%2Fy",
            [("a", 26379)],
            "cache",
            {"username": "ada", "password": "p@s"},
            {"username": "eve", "password": "x/y"},
        ),
        ("redis+sentinel://:pw@a/cache/", [("a", 26379)], "cache", {"password": "pw"}, {}),
        (
            "redis+cluster://:p%2C@a:1,b,[2001:db8::1]?namespace=n&decode_responses=1",
            [("a", 1), ("b", 6379), ("2001:db8::1", 6379)],
            None,
            {"password": "p,"},
            {},
        ),
        ("redis://a:1/2?decode_responses=1", [], None, {"host": "a", "port": 1, "db": 2}, {}),
    ],
)
def test_parts_of_a_url(
    url: str,
    nodes: list[tuple[str, int]],
    service: str | None,
    options: dict[str, Any],
    sentinel_options: dict[str, Any],
) -> None:
    parsed = parse(url)
    namespace = "n" if "namespace" in url else None
    assert parsed == RedisURL(options, nodes, service, sentinel_options, namespace)


def test_tls_is_for_the_sentinels_too() -> None:
    parsed = parse("rediss+sentinel://a/cache?ssl_ca_certs=ca&sentinel_ssl_certfile=own")
    assert parsed.options == {"connection_class": redis.SSLConnection, "ssl_ca_certs": "ca"}
    assert parsed.sentinel_options == {"ssl": True, "ssl_ca_certs": "ca", "ssl_certfile": "own"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://:secret@a:1", "must name a service"),
        ("redis+sentinel://:secret@/cache", r"redis\+sentinel://user:password@host:port,host2"),
        ("redis+cluster://:secret@a:1,", r"redis\+cluster://user:password@host:port,host2:port,"),
        ("redis+cluster://:secret@a:b", "cannot be read"),
        ("redis://:secret/@a", "percent-encoded"),
        ("redis+sentinel://:secret@a/s?socket_timeout=x", "socket_timeout"),
        ("redis+sentinel://:secret@a/s?sentinel_timeouts=x", "timeouts"),
        ("redis+sentinel://:secret@a/s?timeouts=x", "timeouts"),
        ("redis+cluster://:secret@a?sentinel_password=secret", "sentinel_password"),
        ("redis://:p@secret/1@a", "percent-encoded"),
        ("rediss://:p@secret/1@a/0", "percent-encoded"),
        ("redis+cluster://:p@secret/1@a", "percent-encoded"),
        ("redis+sentinel://:p@secret/1@a/s", "percent-encoded"),
        ("redis://:p?secret@a", "percent-encoded"),
        ("unix://:p@secret/1@/run/redis.sock", "percent-encoded"),
        ("unix://secret.sock", "absolute path"),
        ("unix://secret/redis.sock", "absolute path"),
        ("redis:", "must begin with .*Did you mean redis://...?"),
        ("redis://a/secret", "a number as its database"),
        ("redis+sentinel://a/s/secret", "a number as its database"),
        ("redis+cluster://a/secret", "a number as its database"),
        ("redis+cluster://a/3", "must name no database"),
        ("redis+cluster://a?db=3", "must name no database"),
        ("redis://a?db=secret", "db"),
        ("redis://a?protocol=9", "wrong option"),
        ("redis://a?timeouts=1", "unknown option: timeouts. Its query takes"),
        ("redis+cluster://a?read_from_replicas=true", "must not have read_from_replicas, because"),
        ("redis+cluster://a?load_balancing_strategy=x", "not have load_balancing_strategy, bec"),
        ("rediss://a?ssl_cert_reqs=CERT_NONE", "wrong option"),
        ("redis://a?socket_timeout=-1", "socket_timeout must be a number of seconds above 0"),
        ("redis://a?socket_connect_timeout=nan", "socket_connect_timeout must be"),
        ("redis+sentinel://a/s?sentinel_socket_timeout=0", "socket_timeout must be"),
    ],
)
def test_a_wrong_url_is_an_error_that_says_what_is_right(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        open_backend(url)
    assert "secret" not in str(error.value)


def test_a_url_without_an_authority_is_refused_by_the_backend_itself() -> None:
    with pytest.raises(ValueError, match=":// behind its scheme"):
        RedisBackend("redis:")


@pytest.mark.parametrize("url", ["unix:///run/redis@main.sock?db=1", "unix://:p@/run/redis.sock"])
def test_a_socket_is_named_by_its_path(url: str) -> None:
    assert parse(url).options["path"] in ("/run/redis@main.sock", "/run/redis.sock")


def test_a_pipeline_is_no_client() -> None:
    with pytest.raises(
        TypeError, match=r"client must be a redis\.Redis.*got redis.client.Pipeline"
    ):
        RedisBackend(client=redis.Redis().pipeline())


@pytest.mark.parametrize(
    "give",
    [
        lambda client: RedisBackend(client),
        lambda client: RuntimeCache(backend=client),
        lambda client: AsyncRuntimeCache(backend=client),
        lambda client: wrap(lambda environ, start_response: [], cache=client),
    ],
    ids=["RedisBackend", "RuntimeCache", "AsyncRuntimeCache", "wrap"],
)
def test_a_client_in_the_place_of_a_backend_is_refused(give: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"got redis.client.Redis\..*RedisBackend\(client=...\)"):
        give(redis.Redis())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "redis://a", "credential_provider": "abc"}, TypeError),
        ({"url": "redis://a", "namespace": 5}, TypeError),
        ({"client": redis.Redis(), "namespace": 5}, TypeError),
        ({"url": 5}, TypeError),
        (
            {
                "url": "redis://:p@a",
                "credential_provider": redis.UsernamePasswordCredentialProvider("a", "b"),
            },
            ValueError,
        ),
    ],
)
def test_a_wrong_argument_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"must be a|credential_provider"):
        RedisBackend(**options)


def test_a_cluster_is_found_by_any_of_its_nodes() -> None:
    nodes = shared_cluster().nodes
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    hosts = ",".join(f"127.0.0.1:{each}" for each in [port, *(node.port for node in nodes)])
    for number in range(8):  # each begins with a node at random
        with opened(f"redis+cluster://{hosts}?namespace=found&socket_timeout=10") as cache:
            put(cache, "k", b"%d" % number)
            assert cache.get("k") == b"%d" % number


# TLS and credentials


def test_tls_with_certificates_of_both_sides(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    with Server(certificate=certificate) as server:
        trusted = server.url(ssl_ca_certs=certificate.path).replace("redis:", "rediss:")
        own = urlencode({"ssl_certfile": certificate.path, "ssl_keyfile": certificate.key})
        with (
            opened(f"{trusted}&{own}") as cache,
            opened(f"{trusted}&{own}".replace("rediss:", "rediss+cluster:")) as same,
            opened(trusted) as stranger,
        ):
            put(cache, "k")
            assert same.get("k") == b"1"
            with pytest.raises(redis.ConnectionError):
                stranger.get("k")


def test_sentinels_with_tls_and_passwords(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    tls = {
        "ssl_ca_certs": certificate.path,
        "ssl_certfile": certificate.path,
        "ssl_keyfile": certificate.key,
    }
    user = ["--user", "ada", "on", ">p@ss", "~{unigate}:*", "+@all"]
    with SentinelDeployment(*user, certificate=certificate, sentinel_password="s/p") as redis_:
        query = urlencode(tls | PATIENT | {"sentinel_password": "s/p"})
        where = f"{redis_.hosts}/{SERVICE}/2"
        with (
            opened(f"rediss+sentinel://ada:p%40ss@{where}?{query}") as cache,
            opened(f"rediss+sentinel://ada:p%40ss@{where}?{query}x") as stranger,
        ):
            put(cache, "k")
            assert cache.get("k") == b"1"
            assert redis_.primary.client.info("keyspace").keys() == {"db2"}
            with pytest.raises(redis.ConnectionError, match="AuthenticationError") as error:
                stranger.get("k")
            assert "s/p" not in str(error.value)


class Token(redis.CredentialProvider):
    """A password that changes, as tokens of cloud providers do."""

    def __init__(self) -> None:
        self.password = "first"

    def get_credentials(self) -> tuple[str, str]:
        return "service", self.password


def test_a_credential_provider_is_asked_for_each_connection(server: Server) -> None:
    server.run("ACL", "SETUSER", "service", "on", ">first", "~*", "+@all")
    server.run("ACL", "SETUSER", "default", "resetpass", ">unknown")
    token = Token()
    cache = RedisBackend(server.url(), credential_provider=token)
    put(cache, "k")
    server.run("ACL", "SETUSER", "service", "<first", ">second")
    server.run("CLIENT", "KILL", "USER", "service")
    with pytest.raises(redis.AuthenticationError):
        cache.get("k")
    token.password = "second"
    assert cache.get("k") == b"1"
    cache.close()


class Failing(redis.CredentialProvider):
    """A provider that fails as often as it has errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def get_credentials(self) -> tuple[str, str]:
        if self.errors:
            raise self.errors.pop()
        return "service", "secret"


@contextmanager
def from_a_url(server: Server, provider: redis.CredentialProvider) -> Iterator[RedisBackend]:
    with closing(RedisBackend(server.url(), credential_provider=provider)) as backend:
        yield backend


@contextmanager
def from_a_pool(
    server: Server, provider: redis.CredentialProvider, kind: type[redis.ConnectionPool]
) -> Iterator[RedisBackend]:
    pool = kind(port=server.port, credential_provider=provider, **PATIENT)
    try:
        yield RedisBackend(client=pool)
    finally:
        pool.disconnect()


@pytest.mark.parametrize(
    "make",
    [
        from_a_url,
        partial(from_a_pool, kind=redis.ConnectionPool),
        partial(from_a_pool, kind=redis.BlockingConnectionPool),
    ],
    ids=["URL", "pool", "blocking pool"],
)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no token for this role"), "ValueError: no token for this role"),
        (ConnectionRefusedError("no metadata"), "ConnectionRefusedError: no metadata"),
    ],
    ids=["ValueError", "OSError"],
)
def test_no_command_is_sent_where_a_credential_provider_has_failed(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    make: Callable[..., AbstractContextManager[RedisBackend]],
    error: Exception,
    reason: str,
) -> None:
    server.run(
        "ACL", "SETUSER", "service", "on", ">secret", "~*", "+@all"
    )  # default has no password
    provider = Failing(error, error)
    with make(server, provider) as backend:
        cache = RuntimeCache(backend=backend)
        while provider.errors:
            assert cache.get("k") is None
        assert cache.set("k", 1)
        assert cache.get("k") == 1
        own = str(server.run("CLIENT", "ID"))
        until(
            lambda: (
                [each["user"] for each in server.client.client_list() if each["id"] != own]
                == ["service"]
            )
        )
        (line,) = caplog.messages
        assert line.startswith(
            "The cache is not working, so its values count as missing: Authenticat"
        )
        assert reason in line
        assert f":{server.port}" in line
        assert "secret" not in line


def test_no_credentials_are_no_login_of_the_default_user(server: Server) -> None:
    class Empty(redis.CredentialProvider):
        def get_credentials(self) -> tuple[str, str]:
            return None  # type: ignore[return-value]

    with (
        closing(RedisBackend(server.url(), credential_provider=Empty())) as backend,
        pytest.raises(redis.AuthenticationError, match="credential_provider has failed: TypeErr"),
    ):
        backend.get("k")


def test_a_credential_provider_is_for_a_url() -> None:
    with pytest.raises(ValueError, match="credential_provider must be an option of the client"):
        RedisBackend(client=redis.Redis(), credential_provider=Token())


# Clients made elsewhere


def server_client() -> redis.Redis:
    return redis.Redis(port=shared().port, **PATIENT)  # type: ignore[arg-type]


def decoding_client() -> redis.Redis:
    return redis.Redis(port=shared().port, decode_responses=True, protocol=3, **PATIENT)  # type: ignore[call-overload]


def client_pool() -> redis.ConnectionPool:
    return redis.BlockingConnectionPool(port=shared().port, max_connections=2, **PATIENT)


@pytest.mark.parametrize("make", [server_client, decoding_client, client_pool])
def test_a_client_or_pool_can_be_given(make: Callable[[], Any]) -> None:
    client = make()
    backend = RedisBackend(client=client, namespace="given")
    cache = RuntimeCache(backend=backend, strict=True)
    cache.set("k", {"ü": [1]}, tags=["t"])
    backend.close()
    assert cache.get("k") == {"ü": [1]}
    cache.expire_tag("t")
    assert cache.get("k") is None
    with opened(shared().url(namespace="given")) as same:
        put(same, "k", b"\xff\x00")
        assert backend.get("k") == b"\xff\x00"
    (getattr(client, "close", None) or client.disconnect)()


def test_a_client_that_is_given_stays_open() -> None:
    client = redis.Redis(port=shared().port, client_name="given")
    backend = RedisBackend(client=client)
    put(backend, "k")
    backend.close()
    assert "given" in [each["name"] for each in shared().client.client_list()]
    client.close()


@pytest.mark.parametrize(
    "client", [redis.asyncio.Redis(), redis.Redis, shared], ids=["asyncio", "class", "function"]
)
def test_another_client_is_an_error(client: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a redis.Redis, .* got "):
        RedisBackend(client=client)


@pytest.mark.parametrize("name", ["read_from_replicas", "load_balancing_strategy"])
def test_a_cluster_client_that_reads_from_replicas_is_refused(name: str) -> None:
    client = redis.RedisCluster("127.0.0.1", shared_cluster().nodes[0].port)
    setattr(client, name, True)  # as its constructor does, which warns of the first one
    with pytest.raises(ValueError, match=f"must not have {name}, .* a redis.RedisCluster of its"):
        RedisBackend(client=client)
    client.close()


def test_a_sentinel_client_of_replicas_is_refused() -> None:
    client = redis.Sentinel([("127.0.0.1", 1)]).slave_for(SERVICE)
    with pytest.raises(ValueError, match=r"a replica may still have .* Sentinel\.master_for"):
        RedisBackend(client=client)


@pytest.mark.parametrize("kind", ["client", "pool", "cluster"])
def test_a_client_with_a_cache_of_its_own_is_refused(kind: str) -> None:
    caching = pytest.importorskip("redis.cache", reason="new in redis-py 5.1")
    options = {"port": shared().port, "protocol": 3}
    if kind == "cluster":
        client: Any = redis.RedisCluster("127.0.0.1", shared_cluster().nodes[0].port)
        # Redis 7.0 is too old for the constructor's own argument, not for that of a node.
        client.get_primaries()[0].redis_connection = redis.Redis(
            connection_pool=redis.ConnectionPool(**options, cache_config=caching.CacheConfig())
        )
    else:
        client = redis.ConnectionPool(**options, cache_config=caching.CacheConfig())
        client = client if kind == "pool" else redis.Redis(connection_pool=client)
    with pytest.raises(ValueError, match="without cache and cache_config"):
        RedisBackend(client=client)
    (getattr(client, "close", None) or client.disconnect)()


def test_a_client_of_valkeys_own_package_is_refused_with_what_to_write() -> None:
    kind = type("Valkey", (), {"__module__": "valkey.client"})
    with pytest.raises(TypeError, match=r"got valkey.client.Valkey. redis-py speaks to Valkey.*"):
        RedisBackend(client=kind())


def test_either_a_url_or_a_client_is_given() -> None:
    with pytest.raises(ValueError, match="either a URL or a client"):
        RedisBackend("redis://a", client=redis.Redis())
    with pytest.raises(ValueError, match="either a URL or a client"):
        RedisBackend()


def test_decode_responses_in_a_url_is_harmless() -> None:
    with opened(shared().url(namespace="decoded", decode_responses="True")) as cache:
        put(cache, "k", b"\xff")
        assert cache.get("k") == b"\xff"


# What errors say


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@pytest.mark.parametrize(
    "form",
    [
        "redis://ada:secret@127.0.0.1:{port}/0",
        "rediss://ada:secret@127.0.0.1:{port}/0",
        "redis+cluster://ada:secret@127.0.0.1:{port},127.0.0.1:{port}",
        "redis+sentinel://ada:secret@127.0.0.1:{port}/cache?sentinel_password=secret",
    ],
)
def test_the_log_says_which_server_cannot_be_reached_and_why(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closed_port() as port, opened(form.format(port=port)) as backend:
        assert RuntimeCache(backend=backend).get("k") is None
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert f"127.0.0.1:{port}" in caplog.text
        assert "Connection refused" in caplog.text
        with pytest.raises(CacheError, match=rf"127\.0\.0\.1:{port}.*Connection refused") as error:
            RuntimeCache(backend=backend, strict=True).get("k")
        assert "secret" not in caplog.text + str(error.value)


def test_the_log_names_a_server_that_does_not_reply(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(server.url(socket_timeout=0.1)) as backend:
        server.freeze()
        assert RuntimeCache(backend=backend).get("k") is None
        server.thaw()
    assert "TimeoutError: Timeout" in caplog.text
    assert f"127.0.0.1:{server.port}" in caplog.text


def test_the_log_names_a_server_that_refuses_the_password(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.run("CONFIG", "SET", "requirepass", "right")
    url = f"redis://:secret@127.0.0.1:{server.port}/?socket_timeout=10"
    with opened(url) as backend:
        cache = RuntimeCache(backend=backend)
        for _ in range(FAILURES + 1):
            assert cache.get("k") is None
        with pytest.raises(CacheError, match="is not called"):
            RuntimeCache(backend=backend, strict=True).get("k")
    assert "AuthenticationError: " in caplog.text
    assert f"127.0.0.1:{server.port}" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "command",
    [["LPUSH", "x"], ["SET", "x"], ["SET", b"\xc1\x02\xff"]],
    ids=["list", "text", "bytes"],
)
def test_a_foreign_value_is_a_miss_and_no_more(server: Server, command: list[Any]) -> None:
    with opened(server.url()) as backend:
        cache = RuntimeCache(backend=backend)
        cache.set("bad", 1)
        cache.set("good", 2)
        put(backend, "plain")
        (name,) = server.run("KEYS", "*key:*bad*")
        server.run("DEL", name)
        server.run(command[0], name, command[1])
        for _ in range(FAILURES + 1):
            assert cache.get("bad") is None
        assert cache.get("good") == 2
        cache.delete("bad")
        cache.set("bad", 3)
        assert cache.get("bad") == 3


def test_refused_writes_leave_reads_alone(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with opened(server.url()) as backend:
        cache = RuntimeCache(backend=backend)
        cache.set("k", 1)
        server.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.run("CONFIG", "SET", "maxmemory", "1")
        for _ in range(FAILURES + 1):
            cache.set("other", 2)
            cache.set("another", 2)
        assert cache.get("k") == 1
        assert "used memory > 'maxmemory'" in caplog.text
