"""The names, the signatures and the options of the installed SDK of Vercel, beside ours."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
import vercel.cache.aio
import vercel.functions
import vercel.functions.aio
from vercel.cache.cache_in_memory import InMemoryCache

import unigate
from unigate import functions
from unigate.cache.memory import MemoryBackend
from unigate.functions import aio

CLASSES = ["AsyncRuntimeCache", "Env", "RuntimeCache"]
FUNCTIONS = sorted(set(vercel.functions.__all__) - {*CLASSES, "Geo"})


def check_parameters(theirs: Any, ours: Any) -> None:
    """Fail unless every call that theirs takes has the same meaning for ours."""
    wanted, given = (list(inspect.signature(one).parameters.values()) for one in (theirs, ours))
    known = {parameter.name: parameter for parameter in given}
    for index, parameter in enumerate(wanted):
        name = parameter.name
        assert name in known, f"{theirs.__qualname__} has a parameter {parameter}"
        assert known[name].kind == parameter.kind
        assert known[name].default == parameter.default
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            assert given[index].name == name
    for parameter in given:
        optional = parameter.default is not parameter.empty or parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        assert optional or parameter.name in {one.name for one in wanted}, parameter


def test_the_names_are_those_of_the_sdk() -> None:
    assert sorted(functions.__all__) == sorted(vercel.functions.__all__)
    assert functions.__all__ == sorted(functions.__all__)
    assert sorted(aio.__all__) == sorted(vercel.cache.aio.__all__)
    assert {name for name in vars(vercel.functions.aio) if name[0] != "_"} <= {*aio.__all__}


def test_the_objects_of_the_package_are_the_same() -> None:
    shared = set(functions.__all__) & set(unigate.__all__)
    assert shared >= {"RuntimeCache", "geolocation", "get_env", "ip_address", "wait_until"}
    assert all(getattr(unigate, name) is getattr(functions, name) for name in shared)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_what_the_sdks_takes(name: str) -> None:
    check_parameters(getattr(vercel.functions, name), getattr(functions, name))


def test_get_cache_of_aio_takes_what_the_sdks_takes() -> None:
    check_parameters(vercel.cache.aio.get_cache, aio.get_cache)


@pytest.mark.parametrize("name", ["AsyncRuntimeCache", "RuntimeCache"])
def test_a_cache_has_the_methods_of_the_sdks(name: str) -> None:
    theirs, ours = getattr(vercel.functions, name), getattr(functions, name)
    check_parameters(theirs, ours)
    special = {"__contains__", "__getitem__"}
    methods = [method for method in vars(theirs) if method in special or method[0] != "_"]
    assert {"get", "set", "delete", "expire_tag"} < set(methods)
    for method in methods:
        own, other = getattr(ours, method), getattr(theirs, method)
        assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(other)
        check_parameters(other, own)


def test_env_has_the_members_of_the_sdks() -> None:
    values = dict.fromkeys(inspect.signature(vercel.functions.Env).parameters, "value")
    theirs, ours = vercel.functions.Env(**values), functions.Env(**values)
    assert ours.to_dict().items() >= theirs.to_dict().items()
    for name in values:
        assert getattr(ours, name) == ours[name] == ours.get(name) == theirs.get(name)
    environ = {**values, "CI": "", "HOME": "/root"}
    their_env, our_env = vercel.functions.get_env(environ), functions.get_env(environ)
    assert our_env.to_dict().items() >= their_env.to_dict().items()
    assert our_env.get("HOME", "none") == their_env.get("HOME", "none")


def test_geo_has_the_members_of_the_sdks() -> None:
    assert set(functions.Geo.__annotations__) == set(vercel.functions.Geo.__annotations__)
    assert set(functions.geolocation({})) == set(functions.Geo.__annotations__)


def test_get_cache_makes_both_kinds() -> None:
    backend = MemoryBackend()
    caches = {
        "sync": functions.get_cache(namespace="ns", namespace_separator=":", sync=True),
        "async": functions.get_cache(namespace="ns", namespace_separator=":", sync=False),
        "aio": aio.get_cache(namespace="ns", namespace_separator=":"),
        "other": functions.get_cache(),
    }
    assert [type(cache).__name__ for cache in caches.values()] == [
        *("RuntimeCache", "AsyncRuntimeCache"),
        *("AsyncRuntimeCache", "RuntimeCache"),
    ]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        caches["sync"].set("key", "shared")
        start_response("200 OK", [])
        found = [caches["sync"].get("key"), caches["other"].get("key")]
        found += [asyncio.run(caches[name].get("key")) for name in ("async", "aio")]
        return [repr(found).encode()]

    gateway = unigate.wrap(app, interface="wsgi", cache=backend)
    reply = gateway.lambda_handler({"httpMethod": "GET", "path": "/"})
    assert reply["body"] == "['shared', None, 'shared', 'shared']"


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        (None, 1),
        ({}, 1),
        ({"ttl": 60}, 1),
        ({"ttl": -1}, None),
        ({"ttl": -0.5, "tags": ["a"]}, None),
        ({"expires": 5}, 1),
        ({"ttl": 60, "tags": ["a"], "name": "label", "swr": 60}, 1),
    ],
    ids=str,
)
def test_options_mean_what_they_mean_in_the_sdks_memory(
    options: dict[str, Any] | None, stored: int | None
) -> None:
    official, cache = InMemoryCache(), functions.RuntimeCache(backend=MemoryBackend())
    official.set("key", 1, options)
    cache.set("key", 1, options)
    assert cache.get("key") == official.get("key") == stored
    assert ("key" in cache) == ("key" in official)
