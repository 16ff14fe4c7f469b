"""The runtime cache with cachelib's methods, in Flask-Caching and in Flask-Session."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import flask
import pytest
from flask_caching import Cache
from flask_session import Session
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

import unigate
from flask_unigate import Unigate
from flask_unigate.cache import RuntimeCache
from tests.cache.clock import Clock
from tests.cache.concurrency import in_threads
from unigate.cache.memory import MemoryBackend


class BrokenBackend(MemoryBackend):
    """A backend that always fails."""

    def get(self, key: str) -> bytes | None:
        raise OSError("no route")

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        raise OSError("no route")

    def set(self, key: str, value: bytes, **options: Any) -> None:
        raise OSError("no route")

    def set_many(self, values: Mapping[str, bytes], **options: Any) -> None:
        raise OSError("no route")

    def add(self, *args: Any, **options: Any) -> bool:
        raise OSError("no route")

    def increment(self, key: str, delta: float) -> float | bytes | None:
        raise OSError("no route")

    def pop(self, key: str) -> bytes | None:
        raise OSError("no route")

    def delete(self, keys: Iterable[str]) -> None:
        raise OSError("no route")

    def expire_tags(self, tags: Sequence[str]) -> None:
        raise OSError("no route")


def make_cache(**options: Any) -> RuntimeCache:
    return RuntimeCache(**{"backend": MemoryBackend(), "secret_key": "s3cr3t", **options})


class Leaf:
    """A value that is not JSON."""

    def __init__(self, colour: str) -> None:
        self.colour = colour


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES | st.binary() | st.dictionaries(st.integers(), st.text()))
def test_what_was_put_in_comes_out_with_its_types(value: Any) -> None:
    cache = make_cache()

    assert cache.set("key", value) is True

    cached = cache.get("key")
    assert cached == value
    assert repr(cached) == repr(value)


@pytest.mark.parametrize("value", [Markup("<b>"), (1, [2]), b"\xff", {1: "a"}, float("inf")])
def test_types_that_json_would_change_are_kept(value: Any) -> None:
    cache = make_cache()
    cache.set("key", value)

    assert type(cache.get("key")) is type(value)
    assert cache.get("key") == value


def test_plain_values_can_be_read_by_others() -> None:
    backend = MemoryBackend()
    make_cache(backend=backend, namespace="tea").set("key", {"leaf": ["green", 1, None]})

    other = unigate.RuntimeCache(backend=backend, namespace="tea")
    assert other.get("key") == {"leaf": ["green", 1, None]}


def test_an_object_comes_out_as_an_equal_one() -> None:
    cache = make_cache()
    cache.set("leaf", Leaf("green"))

    assert cache.get("leaf").colour == "green"


def test_a_value_that_looks_like_a_pickle_is_only_a_value() -> None:
    cache = make_cache()
    cache.set("key", {"flask_unigate.pickled": "x"})

    assert cache.get("key") == {"flask_unigate.pickled": "x"}


def test_without_a_secret_only_json_is_stored_and_pickles_are_not_read() -> None:
    backend = MemoryBackend()
    make_cache(backend=backend).set("leaf", Leaf("green"))
    cache = make_cache(backend=backend, secret_key=None)

    with pytest.raises(RuntimeError, match=r"type Leaf is not JSON.* Set SECRET_KEY"):
        cache.set("leaf", Leaf("red"))
    assert cache.get("leaf") is None
    assert cache.set("plain", [1]) is True
    assert cache.get("plain") == [1]


def test_a_value_whose_class_is_gone_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()
    cache.set("leaf", Leaf("green"))
    monkeypatch.delattr(f"{__name__}.Leaf")

    assert cache.get("leaf") is None


def test_the_methods_of_cachelib_return_what_they_did() -> None:
    cache = make_cache()

    assert cache.add("a", 1) is True
    assert cache.add("a", 2) is False
    assert cache.get("a") == 1
    assert cache.set_many({"b": 2, "c": (3,)}) == ["b", "c"]
    assert cache.get_many("a", "b", "c", "d") == [1, 2, (3,), None]
    assert cache.get_dict("a", "d") == {"a": 1, "d": None}
    assert (cache.inc("a", 2), cache.dec("a"), cache.inc("n"), cache.get("a")) == (3, 2, 1, 2)
    assert (cache.has("b"), cache.delete("b"), cache.delete("b"), cache.has("b")) == (
        *(True, True),
        *(False, False),
    )
    assert cache.delete_many("a", "b") == ["a", "b"]
    assert cache.clear() is True
    assert cache.get_many("a", "c") == [None, None]


def test_a_value_lives_as_long_as_its_timeout() -> None:
    clock = Clock(1000.0)
    cache = make_cache(backend=MemoryBackend(clock=clock), default_timeout=60)
    cache.set("default", 1)
    cache.set("longer", 1, timeout=100)
    cache.set("given", 1, timedelta(seconds=100))
    cache.set("always", 1, timeout=0)
    cache.set_many({"many": 1}, timeout=10)

    alive = []
    for clock.now in (1009, 1011, 1061, 1101, 10**9):
        names = ("default", "longer", "given", "always", "many")
        alive.append([name for name in names if cache.has(name)])

    assert alive == [
        ["default", "longer", "given", "always", "many"],
        ["default", "longer", "given", "always"],
        ["longer", "given", "always"],
        ["always"],
        ["always"],
    ]


# JSON numbers, and one that is pickled.
NUMBERS = pytest.mark.parametrize("number", [1, 2**70, 0.5, Decimal("1.5")])


@NUMBERS
def test_a_counter_keeps_its_life(number: Any) -> None:
    clock = Clock(time.time())
    cache = make_cache(backend=MemoryBackend(clock=clock), default_timeout=60)
    cache.set("short", number, timeout=30)
    cache.set("always", number, timeout=0)
    for key in ("short", "always"):
        assert (cache.inc(key), cache.dec(key, 3)) == (number + 1, number - 2)
    assert cache.inc("new") == 1
    clock.now += 29
    assert cache.has("short")
    clock.now += 2
    assert not cache.has("short")
    assert cache.get("new") == 1
    clock.now += 30
    assert not cache.has("new")
    assert cache.get("always") == number - 2


def test_a_counter_keeps_its_tags() -> None:
    backend = MemoryBackend()
    cache = make_cache(backend=backend)
    cache.set("visits", 1, tags=["tea"])
    cache.inc("visits")
    unigate.RuntimeCache(backend=backend).expire_tag("tea")
    assert cache.get("visits") is None


@pytest.mark.parametrize("value", [None, "", False])
def test_counting_begins_at_zero_for_what_is_false(value: Any) -> None:
    cache = make_cache()
    cache.set("key", value)
    assert cache.inc("key", 2) == 2


def test_no_increment_of_threads_is_lost() -> None:
    cache = make_cache()

    def visit(_: int) -> None:
        for _ in range(50):
            cache.inc("visits")

    in_threads(visit, 8)
    assert cache.get("visits") == 400


def test_what_is_not_stored_is_not_said_to_be() -> None:
    cache = make_cache(backend=MemoryBackend(10_000))
    large = "x" * 10_000
    assert cache.set("key", large) is False
    assert cache.add("key", large) is False
    assert cache.set_many({"a": 1, "key": large, "b": (2,)}) == ["a", "b"]
    assert cache.get_many("a", "key", "b") == [1, None, (2,)]


@pytest.mark.parametrize(
    ("timeout", "error"), [(float("nan"), ValueError), ("5", TypeError), (True, TypeError)]
)
def test_a_wrong_timeout_is_refused(timeout: Any, error: type[Exception]) -> None:
    cache = make_cache(backend=MemoryBackend())
    stores: list[Callable[[], object]] = [
        lambda: cache.set("key", 1, timeout),
        lambda: cache.add("key", 1, timeout),
        lambda: cache.set_many({"key": 1}, timeout),
    ]
    for store in stores:
        with pytest.raises(error, match="timeout must be a number of seconds"):
            store()
    assert cache.get("key") is None


def test_the_others_are_stored_beside_a_value_over_two_megabytes() -> None:
    cache = make_cache(backend=MemoryBackend())
    large = "x" * 3_000_000
    assert cache.set("key", "old")
    assert cache.add("new", large) is False
    assert cache.set_many({"a": 1, "key": large, "b": (2,)}) == ["a", "b"]
    assert cache.get_many("a", "key", "b", "new") == [1, None, (2,), None]
    assert cache.set("key", large) is False


def test_clearing_one_namespace_leaves_the_others() -> None:
    backend = MemoryBackend()
    pages, sessions = (make_cache(backend=backend, namespace=name) for name in ("p", "s"))
    pages.set("key", "page")
    sessions.set("key", "session")

    pages.clear()

    assert (pages.get("key"), sessions.get("key")) == (None, "session")


def test_a_tag_expires_what_was_set_with_it() -> None:
    backend = MemoryBackend()
    cache = make_cache(backend=backend)
    cache.set("green", 1, tags=["tea"])
    cache.set("bean", 1, tags="coffee")

    unigate.RuntimeCache(backend=backend).expire_tag("tea")

    assert cache.get_many("green", "bean") == [None, 1]


def test_a_backend_that_is_down_is_a_miss_or_false() -> None:
    cache = make_cache(backend=BrokenBackend())

    assert cache.get("key") is None
    assert cache.get_many("a", "b") == [None, None]
    assert cache.set("key", 1) is False
    assert cache.set_many({"a": 1}) == []
    assert cache.add("key", 1) is False
    assert cache.delete("key") is False
    assert cache.has("key") is False
    assert cache.delete_many("a", "b") == []
    assert cache.clear() is False
    assert cache.inc("key") is None


def test_what_delete_many_could_not_do_is_raised_on_request() -> None:
    cache = make_cache(backend=BrokenBackend(), ignore_delete_many_errors=False)

    with pytest.raises(RuntimeError, match=r"could not delete \['a', 'b'\]"):
        cache.delete_many("a", "b")
    assert make_cache(ignore_delete_many_errors=False).delete_many("a") == ["a"]


def test_the_default_timeout_may_be_a_timedelta() -> None:
    clock = Clock(1000.0)
    cache = make_cache(backend=MemoryBackend(clock=clock), default_timeout=timedelta(minutes=1))
    cache.set("key", 1)

    alive = []
    for clock.now in (1059, 1061):
        alive.append(cache.has("key"))

    assert alive == [True, False]


# Flask-Caching


@pytest.fixture
def app() -> Iterator[flask.Flask]:
    app = flask.Flask("shop")
    app.config.update(
        SECRET_KEY="s3cr3t", CACHE_TYPE="flask_unigate.cache.RuntimeCache", CACHE_IGNORE_ERRORS=True
    )
    yield app
    unigate.RuntimeCache(backend="memory://flask-cache").clear()


def calls_of(app: flask.Flask, cache: Cache) -> list[str]:
    calls: list[str] = []

    @app.get("/page")
    @cache.cached(timeout=60)
    def page() -> str:
        calls.append("page")
        return flask.render_template_string("<p>{{ n }}</p>", n=len(calls))

    @app.get("/made")
    @cache.cached(query_string=True)
    def made() -> flask.Response:
        calls.append("made")
        return flask.Response(str(len(calls)), 203, {"X-Leaf": flask.request.args["leaf"]})

    @app.get("/pair")
    @cache.cached()
    def pair() -> tuple[dict[str, int], int]:
        calls.append("pair")
        return {"n": len(calls)}, 202

    @app.get("/sums")
    @cache.cached()
    def sums() -> str:
        calls.append("sums")
        return str(total(2, 3))

    @cache.memoize(50)
    def total(one: int, other: int) -> int:
        calls.append("total")
        return one + other

    @app.get("/forget")
    def forget() -> str:
        cache.delete_memoized(total)
        return str(total(2, 3))

    @app.get("/fragment")
    def fragment() -> str:
        calls.append("fragment")
        text = "{% cache 60, 'frag' %}{{ n }}{% endcache %}"
        return flask.render_template_string(text, n=len(calls))

    return calls


def test_flask_caching_keeps_views_functions_and_fragments(app: flask.Flask) -> None:
    calls = calls_of(app, Cache(app, config={"CACHE_OPTIONS": {"backend": MemoryBackend()}}))
    client = app.test_client()

    pages = [client.get("/page").text for _ in range(3)]
    made = [client.get(f"/made?leaf={leaf}") for leaf in ("a", "a", "b")]
    pairs = [client.get("/pair") for _ in range(2)]
    totals = [client.get("/sums").text for _ in range(2)]
    client.get("/forget")
    fragments = [client.get("/fragment").text for _ in range(2)]

    assert pages == ["<p>1</p>"] * 3
    assert [(answer.status_code, answer.headers["x-leaf"]) for answer in made] == [
        *((203, "a"), (203, "a"), (203, "b"))
    ]
    assert [(answer.status_code, answer.json) for answer in pairs] == [(202, {"n": 4})] * 2
    assert totals == ["5", "5"]
    assert fragments[0] == fragments[1]
    assert calls == ["page", "made", "made", "pair", "sums", "total", "total", *["fragment"] * 2]


def test_flask_caching_uses_the_applications_cache(app: flask.Flask) -> None:
    app.config["UNIGATE_CACHE"] = "memory://flask-cache"
    app.config["CACHE_KEY_PREFIX"] = "shop"
    extension = Unigate(app)
    cache = Cache(app)

    @app.get("/")
    def page() -> str:
        cache.set("tea", "green", tags=["leaves"])
        flask.request.runtime_cache.expire_tag("roots")
        first = cache.get("tea")
        flask.request.runtime_cache.expire_tag("leaves")
        return f"{first} {cache.get('tea')}"

    assert app.test_client().get("/").text == "green None"
    reply = extension.gateway.lambda_handler(
        {
            "version": "2.0",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": {"method": "GET", "path": "/"}},
        }
    )
    assert reply["body"] == "green None"
    cache.set("tea", "black")
    assert unigate.RuntimeCache(backend="memory://flask-cache", namespace="shop").get("tea") == (
        "black"
    )


def test_two_applications_with_their_own_prefixes_do_not_clear_each_other() -> None:
    backend = MemoryBackend()
    caches = []
    for prefix in ("one", "two"):
        app = flask.Flask(prefix)
        app.config["CACHE_TYPE"] = "flask_unigate.cache.RuntimeCache"
        app.config["CACHE_KEY_PREFIX"] = prefix
        app.config["CACHE_OPTIONS"] = {"backend": backend}
        caches.append((app, Cache(app)))
    for app, cache in caches:
        with app.app_context():
            cache.set("name", app.name)
    with caches[0][0].app_context():
        caches[0][1].clear()

    names = []
    for app, cache in caches:
        with app.app_context():
            names.append(cache.get("name"))
    assert names == [None, "two"]


def test_an_unknown_option_is_refused(app: flask.Flask) -> None:
    app.config["CACHE_OPTIONS"] = {"threshold": 5}

    with pytest.raises(TypeError, match="threshold"):
        Cache(app)
    with pytest.raises(TypeError, match="threshold"):
        RuntimeCache(threshold=5)


# Flask-Session


@pytest.mark.parametrize("basket", [["tea"], {"tea", "milk"}])
def test_flask_session_keeps_sessions_in_the_runtime_cache(basket: Any) -> None:
    backend = MemoryBackend()
    app = flask.Flask("shop")
    app.config.update(
        SECRET_KEY="s3cr3t",
        SESSION_TYPE="cachelib",
        SESSION_CACHELIB=RuntimeCache(namespace="sessions", backend=backend),
    )
    Session(app)

    @app.get("/put")
    def put() -> str:
        flask.session["basket"] = basket
        return ""

    @app.get("/show")
    def show() -> str:
        return repr(flask.session.get("basket"))

    @app.get("/clear")
    def clear() -> str:
        flask.session.clear()
        return ""

    client, stranger = app.test_client(), app.test_client()
    cookie = client.get("/put").headers["set-cookie"]

    assert ast.literal_eval(client.get("/show").text) == basket  # a set has no order
    assert stranger.get("/show").text == "None"
    assert "tea" not in cookie
    client.get("/clear")
    assert client.get("/show").text == "None"
