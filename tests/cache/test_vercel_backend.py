"""The backend in Vercel's Runtime Cache: requests, faults, compatibility with the client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.concurrency import in_a_child, in_threads
from tests.cache.vercel_stub import BASE, FAULTS, TOKEN, ReceivedRequest, Stub, serve
from tests.waiting import SECONDS
from unigate.cache.async_runtime_cache import AsyncRuntimeCache
from unigate.cache.runtime_cache import RuntimeCache
from unigate.cache.vercel import VercelBackend, vercel_key_hash, wire_tag
from unigate.http import Headers

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serve() as running:
        yield running


@pytest.fixture
def cache(stub: Stub) -> Iterator[VercelBackend]:
    backend = VercelBackend(stub.endpoint, stub.headers, timeout=10)
    yield backend
    backend.close()


@pytest.fixture
def official(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The official client, configured for the stub as Vercel does, without its telemetry."""
    from vercel.cache import cache_build, runtime_cache

    monkeypatch.setattr(cache_build, "track", lambda *args, **kwargs: None)
    for name in ("build_cache", "async_build_cache", "cached_cache", "cached_async_cache"):
        monkeypatch.setattr(runtime_cache, f"_{name}_instance", None)
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", stub.endpoint)
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", json.dumps(stub.headers))
    yield runtime_cache
    if runtime_cache._build_cache_instance is not None:
        runtime_cache._build_cache_instance._client.close()


def put(cache: VercelBackend, key: str, value: object = 1, *tags: str) -> None:
    cache.set(key, json.dumps(value).encode(), ttl=None, tags=tags, name=None)


def shape(request: ReceivedRequest) -> tuple[str, str, dict[str, str], bytes]:
    """Return a request without the headers that every HTTP client adds."""
    common = {"host", "accept", "accept-encoding", "connection", "user-agent"}
    headers = {name: value for name, value in request.headers.items() if name not in common}
    return request.method, request.target, headers, request.body


# Requests


def test_get_requests_the_key_below_the_endpoint(stub: Stub, cache: VercelBackend) -> None:
    assert cache.get("ns$1f") is None
    assert shape(stub.requests[0]) == ("GET", BASE + "ns$1f", {"authorization": TOKEN}, b"")


def test_set_sends_the_value_as_body_and_options_as_headers(
    stub: Stub, cache: VercelBackend
) -> None:
    cache.set("k", b'{"a": [1, null]}', ttl=60.0, tags=["a b", "c/d%2C"], name="Ada's")
    assert shape(stub.requests[0]) == (
        "POST",
        BASE + "k",
        {
            "authorization": TOKEN,
            "content-length": "16",
            "x-vercel-cache-tags": "a b,c/d%2C,unigate:all",
            "x-vercel-revalidate": "60",
            "x-vercel-cache-item-name": "Ada's",
        },
        b'{"a": [1, null]}',
    )


def test_options_without_a_value_are_not_sent(stub: Stub, cache: VercelBackend) -> None:
    cache.set("k", b"null", ttl=None, tags=[], name=None)
    assert shape(stub.requests[0])[2] == {
        "authorization": TOKEN,
        "content-length": "4",
        "x-vercel-cache-tags": "unigate:all",
    }


def test_a_fraction_of_a_second_is_sent_as_it_is(stub: Stub, cache: VercelBackend) -> None:
    cache.set("k", b"1", ttl=1.5, tags=[], name=None)
    assert stub.requests[0].headers["x-vercel-revalidate"] == "1.5"


def test_delete_and_expiry_send_what_the_official_client_sends(
    stub: Stub, cache: VercelBackend
) -> None:
    cache.delete(["k"])
    cache.expire_tags(["a b", "c+d&e=/:~*%2C"])
    cache.clear()
    headers = {"authorization": TOKEN, "content-length": "0"}
    assert [shape(request) for request in stub.requests] == [
        ("DELETE", BASE + "k", {"authorization": TOKEN}, b""),
        (
            "POST",
            BASE + "revalidate?tags=a+b%2Cc%2Bd%26e%3D%2F%3A~%2A%252C",
            headers,
            b"",
        ),
        ("POST", BASE + "revalidate?tags=unigate%3Aall", headers, b""),
    ]


def test_no_name_prevents_a_value_from_being_stored(stub: Stub, cache: VercelBackend) -> None:
    cache.set("k", b"1", ttl=None, tags=[], name="é\r\nx: 1\udc80 100%")
    assert cache.get("k") == b"1"
    assert stub.requests[0].headers["x-vercel-cache-item-name"] == "%C3%A9%0D%0Ax: 1? 100%"
    assert "x" not in stub.requests[0].headers


def test_empty_calls_send_nothing(stub: Stub, cache: VercelBackend) -> None:
    cache.expire_tags([])
    cache.delete([])
    cache.set_many({}, ttl=None, tags=[])
    assert cache.get_many([]) == {}
    assert stub.requests == []


def test_many_tags_expire_without_a_long_request_line(stub: Stub, cache: VercelBackend) -> None:
    tags = [f"{number:03d}" * 80 for number in range(128)]
    put(cache, "last", 1, tags[-1])
    put(cache, "other", 2, "other")
    cache.expire_tags(tags)
    assert cache.get_many(["last", "other"]) == {"other": b"2"}
    assert max(len(request.target) for request in stub.requests) < 4096


@pytest.mark.parametrize("state", ["stale", "expired", "error", "STALE"])
def test_only_a_fresh_value_is_a_value(
    stub: Stub, cache: VercelBackend, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx-vercel-cache-state: %s\r\ncontent-length: 1\r\n\r\n1"
    monkeypatch.setattr(FAULTS["204"], "parts", [answer % state.encode()])
    stub.fault = "204"
    assert cache.get("k") is None


@pytest.mark.parametrize("field", ["x-vercel-cache-state: Fresh\r\n", ""])
def test_the_state_is_case_insensitive_and_optional(
    stub: Stub, cache: VercelBackend, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    answer = f"HTTP/1.1 200 OK\r\n{field}content-length: 1\r\n\r\n1"
    monkeypatch.setattr(FAULTS["204"], "parts", [answer.encode()])
    stub.fault = "204"
    assert cache.get("k") == b"1"


def test_a_stored_null_is_not_a_miss(cache: VercelBackend) -> None:
    put(cache, "k", None)
    assert cache.get("k") == b"null"
    assert cache.get("other") is None
    assert cache.get_many(["other", "k"]) == {"k": b"null"}


def test_many_values_share_their_tags(cache: VercelBackend) -> None:
    values = {f"k{number}": b"%d" % number for number in range(50)}
    cache.set_many(values, ttl=None, tags=["t"])
    assert cache.get_many([*values, "other"]) == values
    cache.delete(["k0", "k1", "other"])
    assert cache.get_many(["k0", "k1", "k2"]) == {"k2": b"2"}
    cache.expire_tags(["t"])
    assert cache.get_many(list(values)) == {}


def test_clear_expires_all_values_of_this_backend(stub: Stub, cache: VercelBackend) -> None:
    put(cache, "a", 1)
    put(cache, "b", 2, "t")
    cache.clear()
    assert cache.get_many(["a", "b"]) == {}
    put(cache, "a", 3)
    assert cache.get("a") == b"3"


# Keys and tags that the wire would change

HARD_KEYS = [
    "a/b",
    "a//b",
    "/a",
    "a/",
    "../a",
    ".",
    "..",
    "a?b",
    "a#b",
    "a%2Fb",
    "a%252Fb",
    "a",
    "A",
    "a b",
    "a+b",
    "a%20b",
    "\u00e9",
    "e\u0301",
    "\N{SNOWMAN}$1",
    "\ud800",
    "\udfff",
    "\n",
    "",
    "revalidate",
    "revalidate?tags=x",
    "http://example.org/",
    "k" * 300,
    "k" * 301,
    "unigate:all",
    '|\\^[]{}<>`"',
    "!$&'()*+,;=:@~-._",
]


def test_every_key_has_an_entry_of_its_own(stub: Stub, cache: VercelBackend) -> None:
    values = {key: json.dumps(number).encode() for number, key in enumerate(HARD_KEYS)}
    for key, value in values.items():
        cache.set(key, value, ttl=None, tags=["t"], name=key)
    assert {key: cache.get(key) for key in values} == values
    assert len(stub.entries) == len(values)
    assert "" not in stub.entries
    sent = [request.target.removeprefix(BASE) for request in stub.requests]
    assert not any("/" in key or "%2F" in key or "%25" in key for key in sent)


@pytest.mark.parametrize("key", ["ns$1f", "a b", "é$1", "!&'()*+,;=:@~-._", '"<>`{}'])
def test_a_key_is_sent_as_the_official_client_sends_it(
    stub: Stub, cache: VercelBackend, official: Any, key: str
) -> None:
    cache.get(key)
    official.RuntimeCache(key_hash_function=str).get(key)
    sent, expected = stub.requests
    assert sent.target == expected.target


def test_a_tag_with_a_comma_is_one_tag(stub: Stub, cache: VercelBackend) -> None:
    put(cache, "both", 1, "a,b")
    put(cache, "first", 2, "a")
    put(cache, "quoted", 3, "a%2Cb")
    hashed = stub.entries["both"].tags[0]
    put(cache, "hashed", 4, hashed)
    cache.expire_tags(["a", "b", "a%2Cb", "a,b,c", hashed])
    assert cache.get_many(["both", "first", "quoted", "hashed"]) == {"both": b"1"}
    cache.expire_tags(["a,b"])
    assert cache.get("both") is None


@pytest.mark.parametrize(
    "tag", ["\u00e9", "e\u0301", "", " a", "a ", "a\n", "a\r\nx: 1", "\ud800", "t" * 257]
)
def test_a_tag_that_no_header_can_carry_works(stub: Stub, cache: VercelBackend, tag: str) -> None:
    put(cache, "k", 1, "a", tag)
    put(cache, "other", 2, "a")
    assert [len(sent) <= 256 for sent in stub.entries["k"].tags] == [True] * 3
    assert "x" not in stub.requests[0].headers
    cache.expire_tags([tag])
    assert cache.get_many(["k", "other"]) == {"other": b"2"}


def test_a_tag_cannot_name_all_values(cache: VercelBackend) -> None:
    put(cache, "a", 1)
    put(cache, "b", 2, "unigate:all")
    cache.expire_tags(["unigate:all"])
    assert cache.get_many(["a", "b"]) == {"a": b"1"}


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
def test_two_tags_are_never_sent_as_one(pair: list[str]) -> None:
    one, other = map(wire_tag, pair)
    assert one != other
    assert "," not in one


# The hash of Vercel's clients


@given(st.text())
def test_the_hash_is_the_official_one(key: str) -> None:
    from vercel.cache.utils import default_key_hash_function

    assert vercel_key_hash(key) == default_key_hash_function(key)


def test_the_hash_of_vercel_has_collisions() -> None:
    assert vercel_key_hash("user:1") == "6935999f"
    assert vercel_key_hash("a6") == vercel_key_hash("gp")


# Entries shared with the official client

VALUE = {"é": [1, 2.5, None, True], "nested": {"\N{SNOWMAN}": "\ud800"}}


@pytest.mark.parametrize("namespace", [None, "team", "équipe 1"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_official_client_reads_what_we_wrote(
    cache: VercelBackend, official: Any, namespace: str | None, asynchronous: bool
) -> None:
    key = (f"{namespace}$" if namespace else "") + vercel_key_hash("user:1")
    cache.set(key, json.dumps(VALUE).encode(), ttl=60, tags=["a,b", "users"], name="Ada")
    client = official_caller(official, asynchronous, namespace=namespace)
    assert client("get", "user:1") == VALUE
    assert client("get", "user:2") is None
    client("expire_tag", ["users", "other"])
    assert cache.get(key) is None
    put(cache, key)
    client("delete", "user:1")
    assert cache.get(key) is None


@pytest.mark.parametrize("namespace", [None, "team", "équipe 1"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_we_read_what_the_official_client_wrote(
    cache: VercelBackend, official: Any, namespace: str | None, asynchronous: bool
) -> None:
    key = (f"{namespace}$" if namespace else "") + vercel_key_hash("user:1")
    client = official_caller(official, asynchronous, namespace=namespace)
    client("set", "user:1", VALUE, {"ttl": 60, "tags": ["users", "x y"], "name": "Ada"})
    assert json.loads(cache.get(key) or b"") == VALUE
    cache.clear()  # values of this backend only
    assert json.loads(cache.get(key) or b"") == VALUE
    cache.expire_tags(["x y"])
    assert client("get", "user:1") is None
    client("set", "user:1", None)
    assert cache.get(key) == b"null"
    cache.delete([key])
    assert client("get", "user:1") is None


@pytest.mark.parametrize("colour", [RuntimeCache, AsyncRuntimeCache])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("hashed", [False, True])
def test_both_caches_share_an_entry(
    cache: VercelBackend, official: Any, colour: Any, asynchronous: bool, hashed: bool
) -> None:
    named = {"namespace": "team", "namespace_separator": ":"}
    call = caller(
        colour(
            key_hash_function=vercel_key_hash if hashed else str,
            backend=cache,
            strict=True,
            **named,
        )
    )
    options = {} if hashed else {"key_hash_function": str}
    client = official_caller(official, asynchronous, **named, **options)
    call("set", "user:1", VALUE, {"ttl": 60, "tags": ["a"], "name": "user 1"})
    assert client("get", "user:1") == VALUE
    client("set", "user:1", None, {"ttl": 60, "tags": ["b"]})
    assert call("get", "user:1", "missing") is None
    client("expire_tag", "b")
    assert call("get", "user:1", "missing") == "missing"
    client("set", "user:1", VALUE)
    assert call("get", "user:1") == VALUE
    call("set", "user:1", 2, {"tags": ["a"]})
    call("expire_tag", "a")
    assert client("get", "user:1") is None
    call("set", "user:1", 3)
    call("clear")
    assert client("get", "user:1") is None
    call("set", "user:1", 4)
    client("delete", "user:1")
    assert call("get", "user:1", "missing") == "missing"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_plain_keys_are_shared_too(cache: VercelBackend, official: Any, asynchronous: bool) -> None:
    client = official_caller(official, asynchronous, key_hash_function=lambda key: key)
    put(cache, "user:1", VALUE)
    assert client("get", "user:1") == VALUE
    client("set", "user:2", VALUE)
    assert json.loads(cache.get("user:2") or b"") == VALUE


@pytest.mark.parametrize("asynchronous", [False, True])
def test_both_write_the_same(
    stub: Stub, cache: VercelBackend, official: Any, asynchronous: bool
) -> None:
    client = official_caller(official, asynchronous, key_hash_function=lambda key: key)
    client("set", "k", [1], {"ttl": 60, "tags": ["a", "b"], "name": "Ada"})
    client("expire_tag", ["a b", "c&d"])
    client("delete", "k")
    cache.set("k", b"[1]", ttl=60, tags=["a", "b"], name="Ada")
    cache.expire_tags(["a b", "c&d"])
    cache.delete(["k"])
    stub.requests[3].headers["x-vercel-cache-tags"] = "a,b"  # this backend adds one
    assert [shape(a) for a in stub.requests[:3]] == [shape(a) for a in stub.requests[3:]]


def official_caller(official: Any, asynchronous: bool, **options: Any) -> Any:
    """Return a function that calls the official cache, sync or async."""
    return caller(
        (official.AsyncRuntimeCache if asynchronous else official.RuntimeCache)(**options)
    )


def caller(cache: Any) -> Any:
    def call(method: str, *args: Any) -> Any:
        result = getattr(cache, method)(*args)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    return call


# Faults


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.get("k"),
        lambda cache: cache.get_many(["k", "l"]),
        lambda cache: cache.set("k", b"1", ttl=None, tags=[], name=None),
        lambda cache: cache.set_many({"k": b"1", "l": b"2"}, ttl=None, tags=[]),
        lambda cache: cache.delete(["k"]),
        lambda cache: cache.expire_tags(["t"]),
        lambda cache: cache.clear(),
    ],
)
def test_a_fault_ends_in_an_exception_and_the_next_call_works(
    stub: Stub, call: Any, fault: str
) -> None:
    cache = VercelBackend(stub.endpoint, stub.headers, timeout=0.1)
    stub.fault = fault
    with pytest.raises(Exception) as caught:
        call(cache)
    assert "Nothing here takes so long" not in str(caught.value)  # not the timeout of the test
    assert all(
        request.target.startswith(BASE) for request in stub.requests
    )  # no redirect is followed
    stub.fault = ""
    patient = VercelBackend(stub.endpoint, stub.headers, timeout=10)
    put(patient, "k", "after")
    assert patient.get("k") == b'"after"'


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("colour", [RuntimeCache, AsyncRuntimeCache])
def test_a_fault_costs_a_miss(stub: Stub, colour: Any, fault: str) -> None:
    stub.fault = fault
    cache = caller(colour(backend=VercelBackend(stub.endpoint, stub.headers, timeout=0.1)))
    assert cache("get", "k", "missing") == "missing"
    cache("set", "k", 1)
    assert cache("get_or_set", "k", lambda: "made") == "made"


@pytest.mark.parametrize("body", [b'{"a": [1, 2', b"<title>Welcome</title>", b"", b"\xff\x00"])
def test_a_response_that_is_not_json_is_a_miss(
    stub: Stub, cache: VercelBackend, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    monkeypatch.setattr(FAULTS["204"], "parts", [answer])
    stub.fault = "204"
    assert RuntimeCache(backend=cache).get("k", "missing") == "missing"


def test_a_stopped_server_is_an_exception() -> None:
    with serve() as stub:
        cache = VercelBackend(stub.endpoint, stub.headers, timeout=0.25)
    with pytest.raises(Exception, match="refused"):
        cache.get("k")


def test_a_wrong_token_is_an_exception(stub: Stub) -> None:
    cache = VercelBackend(stub.endpoint, {"authorization": "Bearer other"}, timeout=10)
    with pytest.raises(ConnectionError, match="401 to GET"):
        cache.get("k")


def test_only_a_closed_connection_is_tried_twice(stub: Stub) -> None:
    cache = VercelBackend(stub.endpoint, stub.headers, timeout=10)
    stub.fault = "500"
    with pytest.raises(ConnectionError, match="500 to GET"):
        cache.get("k")
    assert len(stub.requests) == 1
    stub.fault = "garbage"
    with pytest.raises(Exception, match="aborted"):
        cache.get("k")
    assert len(stub.requests) == 2
    stub.fault = "closes"
    with pytest.raises(Exception, match="aborted"):
        cache.get("k")
    assert len(stub.requests) == 4


def test_a_connection_that_closes_as_it_is_used_is_opened_again(
    stub: Stub, cache: VercelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, "k")
    before = stub.connections
    original = stub.RequestHandlerClass.do_GET

    def close_once(handler: Any) -> None:
        monkeypatch.setattr(stub.RequestHandlerClass, "do_GET", original)
        handler.close_connection = True

    monkeypatch.setattr(stub.RequestHandlerClass, "do_GET", close_once)
    assert cache.get("k") == b"1"
    assert stub.connections == before + 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    stub: Stub, cache: VercelBackend
) -> None:
    stub.RequestHandlerClass = type("Closing", (stub.RequestHandlerClass,), {"timeout": 0.05})
    put(cache, "k")
    time.sleep(0.3)
    assert cache.get("k") == b"1"
    assert stub.connections == 2


# Connections


def test_many_calls_use_one_connection(stub: Stub, cache: VercelBackend) -> None:
    for number in range(50):
        put(cache, f"k{number}", number, "t")
        assert cache.get(f"k{number}") == b"%d" % number
        assert cache.get("missing") is None
        cache.delete(["missing"])
    cache.expire_tags(["t"])
    assert stub.connections == 1


def test_threads_have_at_most_a_connection_each(stub: Stub, cache: VercelBackend) -> None:
    def work(number: int) -> None:
        for step in range(10):
            value = b'"%d"' % (number * 100 + step) * 50
            cache.set(f"k{number}", value, ttl=None, tags=["t"], name=None)
            assert cache.get(f"k{number}") == value

    in_threads(work, 32)
    assert 1 < stub.connections <= 32


def test_backends_of_the_process_share_their_connections(stub: Stub) -> None:
    for number in range(20):  # as for each request
        cache = VercelBackend(stub.endpoint, {**stub.headers, "x-request": str(number)}, timeout=10)
        put(cache, "k", number)
    assert stub.connections == 1
    assert stub.requests[-1].headers["x-request"] == "19"


def test_close_closes_connections_and_a_later_call_works(stub: Stub, cache: VercelBackend) -> None:
    put(cache, "k")
    cache.close()
    assert cache.get("k") == b"1"
    assert stub.connections == 2


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_does_not_use_its_parents_connections(
    stub: Stub, cache: VercelBackend
) -> None:
    def check() -> None:
        assert cache.get("k") == b"1"

    put(cache, "k")
    in_a_child(check)
    check()
    assert stub.connections == 2


# Configuration


def test_the_environment_configures_it(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", stub.endpoint.rstrip("/"))
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", json.dumps({"Authorization": TOKEN}))
    cache = VercelBackend.from_environ()
    assert cache is not None
    assert cache.get("k") is None
    assert stub.requests[0].target == BASE + "k"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"RUNTIME_CACHE_ENDPOINT": "http://x"},
        {"RUNTIME_CACHE_HEADERS": "{}"},
        {"RUNTIME_CACHE_ENDPOINT": "", "RUNTIME_CACHE_HEADERS": "{}"},
        {
            "RUNTIME_CACHE_ENDPOINT": "http://x",
            "RUNTIME_CACHE_HEADERS": "{}",
            "RUNTIME_CACHE_DISABLE_BUILD_CACHE": "true",
        },
    ],
)
def test_an_environment_without_it_is_none(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name in ("ENDPOINT", "HEADERS", "DISABLE_BUILD_CACHE"):
        monkeypatch.delenv(f"RUNTIME_CACHE_{name}", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert VercelBackend.from_environ() is None


@pytest.mark.parametrize("headers", ["[]", "{", "null", "1", "[" * 100_000])
def test_wrong_variables_are_an_error(monkeypatch: pytest.MonkeyPatch, headers: str) -> None:
    monkeypatch.setenv("RUNTIME_CACHE_ENDPOINT", "http://x")
    monkeypatch.setenv("RUNTIME_CACHE_HEADERS", headers)
    with pytest.raises(ValueError, match="RUNTIME_CACHE_HEADERS"):
        VercelBackend.from_environ()


def sent_by_vercel(stub: Stub) -> dict[str, str]:
    return {
        "x-vercel-sc-host": stub.origin.removeprefix("http://"),
        "x-vercel-sc-protocol": "http",
        "x-vercel-sc-basepath": "/iad1",
        "x-vercel-sc-headers": json.dumps({"authorization": TOKEN, "x-number": 1.5}),
    }


@pytest.mark.parametrize("kind", [dict, lambda fields: Headers(fields.items())])
def test_headers_of_a_request_configure_it(stub: Stub, kind: Any) -> None:
    cache = VercelBackend.from_request_headers(kind(sent_by_vercel(stub)))
    assert cache is not None
    put(cache, "k")
    assert cache.get("k") == b"1"
    assert shape(stub.requests[1]) == (
        "GET",
        BASE + "k",
        {
            "authorization": TOKEN,
            "x-number": "1.5",
            "x-vercel-internal-sc-client-origin": "RUNTIME_CACHE",
            "x-vercel-internal-sc-client-name": "RUNTIME_CACHE",
        },
        b"",
    )


def test_requests_with_equal_headers_share_a_backend(stub: Stub) -> None:
    fields = sent_by_vercel(stub)
    first = VercelBackend.from_request_headers(fields)
    assert VercelBackend.from_request_headers(dict(fields)) is first
    other = {**fields, "x-vercel-sc-headers": json.dumps({"authorization": "Bearer other"})}
    assert VercelBackend.from_request_headers(other) is not first


def test_https_is_the_default(stub: Stub) -> None:
    fields = sent_by_vercel(stub)
    del fields["x-vercel-sc-protocol"]
    cache = VercelBackend.from_request_headers(fields)
    assert cache is not None
    with pytest.raises(Exception, match="SSL"):
        cache.get("k")


def test_the_base_path_may_be_left_out(stub: Stub) -> None:
    fields = sent_by_vercel(stub)
    del fields["x-vercel-sc-basepath"]
    cache = VercelBackend.from_request_headers(fields)
    assert cache is not None
    with pytest.raises(ConnectionError, match="401"):
        cache.get("k")
    assert stub.requests[0].target == "/v1/suspense-cache/k"


@pytest.mark.parametrize(
    "change",
    [
        {"x-vercel-sc-host": ""},
        {"x-vercel-sc-headers": ""},
        {"x-vercel-sc-headers": "[]"},
        {"x-vercel-sc-headers": "{"},
    ],
)
def test_a_request_without_it_is_none(stub: Stub, change: dict[str, str]) -> None:
    assert VercelBackend.from_request_headers({**sent_by_vercel(stub), **change}) is None
    assert VercelBackend.from_request_headers({}) is None


def test_a_missing_urllib3_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['urllib3'] = None\n"
        "from unigate.cache.vercel import VercelBackend, vercel_key_hash\n"
        "print(vercel_key_hash('user:1'))\n"
        "try: VercelBackend('http://x', {})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert done.stdout.splitlines() == [
        "6935999f",
        'Vercel\'s Runtime Cache needs urllib3: pip install "unigate[vercel]"',
    ]
