"""The caches of both plugins load only their own pickles, for their key until they expire."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from typing import Any

import django
import flask
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import dumps as django_dumps
from django.test import override_settings
from itsdangerous import Signer

import unigate
from django_unigate.cache import RuntimeCache as DjangoCache
from flask_unigate.cache import RuntimeCache as FlaskCache
from tests.cache.backends import BACKENDS, TIMED
from tests.cache.concurrency import in_threads
from unigate.cache import Backend
from unigate.cache.backend import is_atomic
from unigate.cache.memory import MemoryBackend
from unigate.cache.pickles import SignedPickles

pytestmark = pytest.mark.usefixtures("bounded")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

MISSING = object()
VALUE = (1, {"two": b"\xff"})  # no JSON, so Flask's cache pickles it too

NEVER = struct.pack(">d", math.inf)  # before a pickle: when it expires


class Trap:
    """A value that runs code when its pickle is loaded."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


class Plugin:
    """A cache of a plugin in a store, and the store as others write to it."""

    marker: str | None
    owner: str

    def __init__(self, backend: Backend, namespace: str) -> None:
        self.backend = backend
        self.namespace = namespace
        self.raw = unigate.RuntimeCache(backend=backend, namespace=namespace)

    def wrapped(self, text: Any) -> Any:
        """Return a signed pickle as the plugin stores it."""
        return {self.marker: text} if self.marker else text

    def signed(self, key: str, value: Any, **changes: Any) -> Any:
        """Return what the plugin would store, with changes."""
        made = {"owner": self.owner, "namespace": self.namespace, "secret": "new", **changes}
        pickles = SignedPickles(made["owner"], made["namespace"], lambda: [made["secret"]])
        return self.wrapped(pickles.dumps(self.stored_key(key), value, made.get("expires")))


class Django(Plugin):
    marker = None
    owner = "django_unigate.cache 2"

    def __init__(self, backend: Backend, namespace: str) -> None:
        super().__init__(backend, namespace)
        options = {"OPTIONS": {"namespace": namespace, "strict": True}}
        self.cache: Any = DjangoCache(backend, options)  # type: ignore[arg-type]

    @staticmethod
    @contextmanager
    def secrets(secret: str, *fallbacks: str) -> Iterator[None]:
        with override_settings(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=list(fallbacks)):
            yield

    def stored_key(self, key: str) -> str:
        return str(self.cache.make_key(key))

    def get(self, key: str) -> Any:
        many = self.cache.get_many([key]).get(key, MISSING)
        one = self.cache.get(key, MISSING)
        assert many == one or many is one is MISSING
        return one


class Flask(Plugin):
    marker = "flask_unigate.pickled"
    owner = "flask_unigate.cache 2"

    def __init__(self, backend: Backend, namespace: str) -> None:
        super().__init__(backend, namespace)
        self.cache: Any = FlaskCache(backend=backend, namespace=namespace)

    @staticmethod
    @contextmanager
    def secrets(secret: str, *fallbacks: str) -> Iterator[None]:
        app = flask.Flask("shop")
        app.config.update(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=list(fallbacks))
        with app.app_context():
            yield

    def stored_key(self, key: str) -> str:
        return key

    def get(self, key: str) -> Any:
        value = self.cache.get(key)
        assert self.cache.get_many(key) == [value]
        return MISSING if value is None else value


PLUGINS: dict[str, type[Plugin]] = {"django": Django, "flask": Flask}


@pytest.fixture(params=TIMED)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture(params=PLUGINS)
def plugin(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Any]:
    made: Any = PLUGINS[request.param](backend, "tea")
    with made.secrets("new"):
        yield made


def encoded(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def forge(plugin: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield entries that are not the plugin's own, each with what is wrong with it."""
    bare = NEVER + pickle.dumps((Trap(), []))
    yield "no signature", plugin.wrapped(encoded(bare))
    yield "a signature of zeros", plugin.wrapped(encoded(bytes(32) + bare))
    yield "a hash in place of a signature", plugin.wrapped(encoded(sha256(bare).digest() + bare))
    yield "the signature alone", plugin.wrapped(encoded(bytes(32)))
    yield "no text", plugin.wrapped("")
    yield "no base64", plugin.wrapped("no base64 \u00e9")
    yield "text that is no pickle", plugin.wrapped(encoded(b"cposix\nsystem\n"))
    for other in (None, True, [], {}, ["x"]):
        yield f"{other!r}", plugin.wrapped(other)
    # What earlier versions wrote.
    yield "Django, unsigned", {"value": encoded(pickle.dumps(Trap())), "expires": None, "tags": []}
    old = Signer("new", f"flask_unigate.cache {key}".encode(), key_derivation="hmac")
    yield "Flask, without a namespace", {"flask_unigate.pickled": encoded(old.sign(bare))}
    yield "Django's own signature", plugin.wrapped(django_dumps("x", key="new"))
    # Signed, but for something else.
    value = (Trap(), [])
    changes = [{"secret": "another"}, {"namespace": "coffee"}, {"namespace": ""}, {"owner": "x"}]
    changes += [{"owner": f"{plugin.owner}t", "namespace": "ea"}, {"secret": "new "}]
    changes += [{"owner": other.owner} for other in PLUGINS.values() if other is not type(plugin)]
    changes += [{"expires": expires} for expires in (time.time() - 0.001, 0.0, -math.inf)]
    for change in changes:
        yield f"another {change}", plugin.signed(key, value, **change)
    for other_key in ("another", "", f"{key} ", f"a{key}"):
        yield f"for the key {other_key!r}", plugin.signed(other_key, value)
    valid = plugin.signed(key, value)
    signed = b64decode(valid[plugin.marker] if plugin.marker else valid)
    for place in (0, 31, 32, 39, 40, len(signed) - 1):
        changed = bytearray(signed)
        changed[place] ^= 1
        yield f"a bit of byte {place}", plugin.wrapped(encoded(bytes(changed)))
    # The end of a key that a client chose, as the beginning of the pickle.
    end = NEVER + pickle.dumps((Trap(), []), 0)
    longer = plugin.signed(key + end.decode("latin-1"), value)
    longer = b64decode(longer[plugin.marker] if plugin.marker else longer)
    yield "a part of the key", plugin.wrapped(encoded(longer[:32] + end + longer[32:]))
    yield "one byte more", plugin.wrapped(encoded(signed + b"."))
    yield "one byte less", plugin.wrapped(encoded(signed[:-1]))


def test_only_a_pickle_of_ones_own_is_loaded(plugin: Any, caplog: pytest.LogCaptureFixture) -> None:
    key = plugin.stored_key("key")
    for fault, entry in forge(plugin, "key"):
        if plugin.marker and not (isinstance(entry, dict) and entry.keys() == {plugin.marker}):
            continue  # JSON, which Flask's cache shares with others
        plugin.raw.set(key, entry)
        caplog.clear()
        assert plugin.get("key") is MISSING, fault
        assert "Not loaded from the cache" in caplog.text
        assert plugin.cache.delete("key") is False, fault
        plugin.raw.set(key, entry)
        assert plugin.cache.add("key", VALUE) is True, fault
        assert plugin.get("key") == VALUE
    assert Trap.sprung is False


def test_the_trap_works(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trap, "sprung", False)
    plugin.raw.set(plugin.stored_key("key"), plugin.signed("key", (Trap(), [])))
    plugin.get("key")
    assert Trap.sprung is True


class Named(MemoryBackend):
    """Keeps the names that entries have in the store."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def set(self, key: str, value: bytes, **options: Any) -> None:
        self.names.append(key)


def test_bytes_that_are_no_json_are_a_miss(backend: Backend) -> None:
    """In a cache that is not strict; a strict one raises CacheError."""
    named = Named()
    DjangoCache(named, {}).set("key", 1)  # type: ignore[arg-type]
    cache: Any = DjangoCache(backend, {})  # type: ignore[arg-type]
    for data in (b"\xff", b"", b"{", b"[" * 100_000, pickle.dumps(Trap())):
        backend.set(named.names[0], data, ttl=None, tags=[], name=None)
        assert cache.get("key", MISSING) is MISSING
        assert cache.get_many(["key"]) == {}
        assert cache.get_or_set("key", lambda: 3) == 3
    assert Trap.sprung is False


def test_an_entry_that_was_moved_is_not_loaded(plugin: Any) -> None:
    other = type(plugin)(plugin.backend, "coffee")
    plugin.cache.set("mallory", VALUE)
    entry = plugin.raw.get(plugin.stored_key("mallory"))
    plugin.raw.set(plugin.stored_key("zoe"), entry)
    other.raw.set(other.stored_key("mallory"), entry)

    assert plugin.get("mallory") == VALUE
    assert plugin.get("zoe") is MISSING
    assert other.get("mallory") is MISSING


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that lets seconds go by."""
    passed = 0.0
    real = time.time

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "time", lambda: real() + passed)
    return let_pass


def store_in_every_way(plugin: Any) -> Iterator[str]:
    """Store a value for a minute with one method after the other."""
    cache = plugin.cache
    cache.set("key", VALUE, 60)
    yield "set"
    cache.delete("key")
    cache.add("key", VALUE, 60)
    yield "add"
    cache.set_many({"key": VALUE}, 60)
    yield "set_many"
    if isinstance(plugin, Django):
        cache.delete("key")
        cache.get_or_set("key", VALUE, 60)
        yield "get_or_set"
        cache.set("key", VALUE, None)
        cache.touch("key", 60)
        yield "touch"
        cache.set("key", 1, 60, tags=["t"])  # without tags it is plain JSON
        cache.incr("key")
        yield "incr"


def test_an_entry_that_was_put_back_after_it_expired_is_missing_to_every_method(
    plugin: Any, later: Callable[[float], None]
) -> None:
    cache, key = plugin.cache, plugin.stored_key("key")
    for way in store_in_every_way(plugin):
        old = plugin.raw.get(key)
        assert plugin.get("key") in (VALUE, 2), way
        later(61)
        plugin.raw.set(key, old)
        assert plugin.get("key") is MISSING, way
        assert plugin.cache.delete("key") is False, way
        plugin.raw.set(key, old)
        assert plugin.cache.add("key", (3,)) is True, way
        plugin.raw.set(key, old)
        if isinstance(plugin, Flask):
            assert not cache.has("key")
            continue
        assert "key" not in cache, way
        assert not cache.touch("key", None), way
        with pytest.raises(ValueError, match="'key' not found"):
            cache.incr("key")
        with pytest.raises(ValueError, match="'key' not found"):
            cache.incr_version("key")
        assert cache.get_or_set("key", lambda: (4,)) == (4,), way
        assert plugin.get("key") == (4,), way


def test_a_value_without_a_timeout_never_expires(
    plugin: Any, later: Callable[[float], None]
) -> None:
    forever = 0 if isinstance(plugin, Flask) else None
    plugin.cache.set("key", VALUE, forever)
    entry = plugin.raw.get(plugin.stored_key("key"))
    later(1e10)
    plugin.raw.set(plugin.stored_key("key"), entry)
    assert plugin.get("key") == VALUE


def test_a_value_that_expires_at_once_is_made_once(backend: Backend) -> None:
    plugin: Any = Django(backend, "tea")
    made: list[int] = []
    for timeout in (0, -1, 1e-9):
        assert plugin.cache.get_or_set("key", lambda: made.append(1) or "made", timeout) == "made"
        assert plugin.get("key") is MISSING
    assert len(made) == 3


def test_a_session_of_django_ends_although_its_copy_is_put_back(
    later: Callable[[float], None],
) -> None:
    from django.contrib.sessions.backends.cache import SessionStore
    from django.core.cache import caches

    backend = MemoryBackend()
    default = {"BACKEND": "django_unigate.cache.RuntimeCache", "LOCATION": backend}
    with override_settings(CACHES={"default": default}, SESSION_COOKIE_AGE=60):
        session = SessionStore()
        session["user"] = "zoe"
        session.save(must_create=True)
        raw = unigate.RuntimeCache(backend=backend, namespace="django")
        key = caches["default"].make_key(session.cache_key)
        copy = raw.get(key)
        assert SessionStore(session.session_key)["user"] == "zoe"
        later(61)
        raw.set(key, copy)
        assert "user" not in SessionStore(session.session_key)


def test_a_secret_can_be_replaced(plugin: Any) -> None:
    with plugin.secrets("old"):
        plugin.cache.set("key", VALUE)
    assert plugin.get("key") is MISSING
    with plugin.secrets("new", "older", "old"):
        assert plugin.get("key") == VALUE
        plugin.cache.set("key", VALUE)
    assert plugin.get("key") == VALUE
    with plugin.secrets("old"):
        assert plugin.get("key") is MISSING


@pytest.mark.parametrize("secret", ["\u00e9\U0001f600", b"\x00\xff"])
def test_a_secret_may_be_any_text_or_bytes(plugin: Any, secret: Any) -> None:
    with plugin.secrets(secret):
        for key in ("\u00e9", "e\u0301", "k" * 230):
            plugin.cache.set(key, (key,))
        for key in ("\u00e9", "e\u0301", "k" * 230):
            assert plugin.get(key) == (key,)


@pytest.mark.parametrize("entry", ["x", True, None, {"value": "x", "expires": 0, "tags": [1]}])
def test_all_methods_of_django_take_an_invalid_entry_for_a_missing_one(
    backend: Backend, entry: Any
) -> None:
    plugin: Any = Django(backend, "tea")
    cache, key = plugin.cache, plugin.stored_key("key")

    def spoil() -> None:
        plugin.raw.set(key, entry)

    spoil()
    assert not cache.has_key("key")
    assert "key" not in cache
    assert not cache.touch("key")
    with pytest.raises(ValueError, match="'key' not found"):
        cache.incr("key")
    with pytest.raises(ValueError, match="'key' not found"):
        cache.incr_version("key")
    assert cache.get_or_set("key", lambda: [1], 60) == [1]
    assert cache.get("key") == [1]
    spoil()
    assert cache.set_many({"key": 2}) == []
    assert cache.incr("key") == 3
    spoil()
    cache.clear()
    assert plugin.raw.get(key, MISSING) is MISSING


def test_concurrent_callers_make_the_value_of_an_invalid_entry_once() -> None:
    plugin: Any = Django(MemoryBackend(), "tea")
    plugin.raw.set(plugin.stored_key("key"), "an entry of another version")
    calls: list[int] = []
    started, everyone = threading.Event(), threading.Barrier(8)

    def make() -> int:
        calls.append(1)
        started.wait(0.2)  # longer than the others need to find the invalid entry
        return 7

    def ask(_: int) -> Any:
        everyone.wait(20)
        return plugin.cache.get_or_set("key", make)

    assert in_threads(ask, 8) == [7] * 8
    assert calls == [1]
    assert plugin.get("key") == 7


def test_counting_a_pickle_that_is_not_ones_own_begins_anew() -> None:
    plugin: Any = Flask(MemoryBackend(), "tea")
    with plugin.secrets("new"):
        plugin.raw.set("key", plugin.signed("key", Decimal(5), secret="another"))
        assert plugin.cache.inc("key", 2) == 2 == plugin.get("key")


def test_a_pickled_number_that_never_expires_still_does_not(
    plugin: Any, later: Callable[[float], None]
) -> None:
    forever = 0 if isinstance(plugin, Flask) else None
    plugin.cache.set("key", Decimal("1.5"), forever)
    count = plugin.cache.inc if isinstance(plugin, Flask) else plugin.cache.incr
    assert count("key") == Decimal("2.5")
    later(1e9)
    assert plugin.get("key") == Decimal("2.5")


class Gone:
    """A value that can be pickled, but not be loaded."""

    def __reduce__(self) -> Any:
        return getattr, (int, "nothing")


def test_a_pickle_that_cannot_be_loaded_is_a_miss(plugin: Any) -> None:
    plugin.cache.set("key", Gone())
    assert plugin.get("key") is MISSING
    if isinstance(plugin, Django):
        assert isinstance(plugin.cache.get_or_set("key", Gone), Gone)


def test_the_wire_format_is_json_text(plugin: Any) -> None:
    """So that it is the same from every backend."""
    plugin.cache.set("key", VALUE)
    assert json.dumps(plugin.raw.get(plugin.stored_key("key"))).isascii()


def test_integers_of_django_are_plain_json_where_the_store_counts(backend: Backend) -> None:
    plugin: Any = Django(backend, "tea")
    for value in (0, -5, 2**63 - 1):
        plugin.cache.set("key", value)
        stored = plugin.raw.get(plugin.stored_key("key"))
        assert (stored == value) is is_atomic(backend)
        assert plugin.get("key") == value
    for value in (2**63, True, 1.5, "5"):
        plugin.cache.set("key", value)
        assert isinstance(plugin.raw.get(plugin.stored_key("key")), str)
        assert plugin.get("key") == value
    plugin.cache.set("key", 5, tags=["t"])
    assert isinstance(plugin.raw.get(plugin.stored_key("key")), str)
    plugin.cache.set("key", 2**63 - 1)
    assert plugin.cache.incr("key", 2) == plugin.get("key") == 2**63 + 1
    assert plugin.cache.decr("key", 2**63) == plugin.get("key") == 1
    assert plugin.cache.incr("key", 0.5) == plugin.get("key") == 1.5


def test_without_a_secret_django_says_so() -> None:
    cache: Any = DjangoCache(MemoryBackend(), {})  # type: ignore[arg-type]
    with override_settings(SECRET_KEY=""), pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        cache.set("key", "1")


def test_a_session_of_django_is_valid_for_its_own_key_only() -> None:
    from django.contrib.sessions.backends.cache import SessionStore
    from django.core.cache import caches

    caches_setting = {
        "default": {
            "BACKEND": "django_unigate.cache.RuntimeCache",
            "LOCATION": "memory://django-sessions",
            "KEY_FUNCTION": "tests.contrib.test_signed_caches.key_function",
        }
    }
    with override_settings(CACHES=caches_setting):
        mallory, zoe = SessionStore(), SessionStore()
        mallory["user"], zoe["user"] = "mallory", "zoe"
        mallory.save(must_create=True)
        zoe.save(must_create=True)
        assert SessionStore(zoe.session_key)["user"] == "zoe"

        raw = unigate.RuntimeCache(backend="memory://django-sessions", namespace="django")
        keys = [caches["default"].make_key(each.cache_key) for each in (mallory, zoe)]
        assert keys[0].startswith("own/")
        raw.set(keys[0], raw.get(keys[1]))
        assert "user" not in SessionStore(mallory.session_key)
        raw.clear()


def key_function(key: str, key_prefix: str, version: int) -> str:
    return f"own/{key_prefix}/{version}/{key}"
