"""The gateways that a handler can call."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from werkzeug.local import LocalProxy

import unigate
from tests.apps.plain import wsgi_app
from unigate.lambda_runtime.gateway_search import gateways_in
from unigate.lambda_runtime.wrapped import Handler

app = unigate.wrap(wsgi_app)


package, module = types.ModuleType("package"), types.ModuleType("module")
vars(package)["module"], vars(module)["app"] = module, app


class Holder:
    """A decorator that is an object."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __call__(self, event: Any, context: Any) -> Any:
        return self.handler(event, context)

    def method(self, event: Any, context: Any) -> Any:
        return self.handler(event, context)


class Slotted:
    __slots__ = ("__wrapped__",)

    def __init__(self, handler: Any) -> None:
        self.__wrapped__ = handler

    def __call__(self, event: Any, context: Any) -> Any:
        return self.__wrapped__(event, context)


def closure(handler: Any) -> Any:
    return lambda event, context: handler(event, context)


def by_name(event: Any, context: Any) -> Any:
    return app(event, context)


def by_name_below(event: Any, context: Any) -> Any:
    return [app(each, context) for each in (lambda: [event])()]


def by_attribute(event: Any, context: Any) -> Any:
    return module.app(event, context)


def by_attributes(event: Any, context: Any) -> Any:
    return package.module.app.lambda_handler(event, context)


def calls_another(event: Any, context: Any) -> Any:
    return by_name(event, context)


async def asynchronous(event: Any, context: Any) -> Any:
    return await app.handle(event, context)


@wrapt.decorator
def through_wrapt(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


WRAPPED: dict[str, Any] = {
    "closure": closure(app),
    "closures": closure(closure(closure(app))),
    "closure of a method": closure(app.lambda_handler),
    "functools.wraps": functools.wraps(app)(lambda event, context: {}),
    "functools.partial": functools.partial(app, context=None),
    "functools.lru_cache": functools.lru_cache(by_name),
    "object": Holder(app),
    "object with slots": Slotted(app),
    "method": Holder(app).method,
    "wrapt": through_wrapt(app),
    "wrapt of a method": through_wrapt(app.lambda_handler),
    "wrapt of a function": through_wrapt(by_name),
    "a proxy": wrapt.ObjectProxy(app),
    "global name": by_name,
    "global name in an inner function": by_name_below,
    "attribute of a module": by_attribute,
    "attribute of a module in a package": by_attributes,
    "function of a function": calls_another,
    "async": asynchronous,
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_gateway_is_found_in_what_is_around_it(kind: str) -> None:
    assert gateways_in(WRAPPED[kind]) == [app]


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_is_around_a_gateway_is_not_the_gateway(kind: str) -> None:
    assert Handler(WRAPPED[kind], "f", streaming=True).gateway is None


@pytest.mark.parametrize("handler", [app, app.lambda_handler, app.handle])
def test_a_gateway_and_its_doors_are_the_gateway(handler: Any) -> None:
    assert Handler(handler, "f", streaming=True).gateway is app


def test_a_gateway_with_decorators_is_the_gateway() -> None:
    decorators: list[Callable[[Any], Any]] = [through_wrapt, closure]
    surrounded = unigate.wrap(wsgi_app, around=decorators)
    for handler in (surrounded, surrounded.lambda_handler, surrounded.handle):
        assert Handler(handler, "f", streaming=True).gateway is surrounded


def unbound() -> Any:
    raise RuntimeError("There is nothing here.")


class Odd:
    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def __call__(self, event: Any, context: Any) -> Any: ...


def test_objects_that_refuse_to_be_looked_at_have_no_gateway() -> None:
    circle = Holder(None)
    circle.handler = circle
    for handler in (LocalProxy(unbound), Odd(), circle, print, len):
        assert gateways_in(handler) == []


def test_the_search_has_an_end() -> None:
    handler: Any = app
    for _ in range(5000):
        handler = Holder(handler)
    assert gateways_in(handler) == []
