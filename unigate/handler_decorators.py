"""The decorators around the handling of events, as `unigate.wrap(around=...)` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import FunctionType, MethodType
from typing import Any

from .events.handlers import Decorator, EventHandler
from .interfaces import is_async, is_generator


def surround(answer: EventHandler, decorators: Sequence[Decorator]) -> EventHandler:
    """Return a handler of events with decorators around it.

    Args:
        answer: The handler without them.
        decorators: The outermost first.

    Raises:
        TypeError: For what is no decorator, and for one that returns no function, or an
            asynchronous one or a generator.
    """
    _check(decorators)

    def lambda_handler(event: Any, context: Any = None) -> Any:
        return answer(event, context)

    # Some decorators take nothing but a function, Powertools' `lambda_handler_decorator` for one,
    # and some keep state: each gets this function, once.
    handler: EventHandler = lambda_handler
    for decorator in reversed(decorators):
        handler = _decorated(decorator, handler)
        _refuse_awaitable(handler, decorator)
        if not callable(handler):
            raise TypeError(
                f"A decorator in `around` must return a function, {decorator!r} returned "
                f"{handler!r}."
            )
        if is_async(handler):
            raise TypeError(_asynchronous(decorator))
        if is_generator(handler):
            raise TypeError(_generating(decorator))

    def surrounded(event: Any, context: Any = None) -> Any:
        reply = handler(event, context)
        _refuse_awaitable(reply, decorators[0])
        return reply

    return surrounded


def _decorated(decorator: Decorator, handler: EventHandler) -> Any:
    try:
        return decorator(handler)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # from within the decorator
        raise TypeError(
            f"A decorator in `around` must be callable with a handler, got {decorator!r}: {error}."
        ) from error


def _check(decorators: Iterable[Any]) -> None:
    for decorator in decorators:
        if not callable(decorator):
            raise TypeError(f"around must be a list of decorators, got {decorator!r} in it.")
        needed = _needed(decorator)
        if needed is not None and needed != 1:
            raise TypeError(
                "A decorator in `around` must take a handler and return one, got "
                f"{decorator!r}, which needs {needed} arguments. A handler itself, called with "
                "(event, context), is not passed to wrap(): it calls what wrap() returns."
            )


def _needed(decorator: Any) -> int | None:
    """Return how many arguments a plain function needs, None for what may take any number."""
    function = decorator.__func__ if type(decorator) is MethodType else decorator
    if type(function) is not FunctionType:
        return None
    code = function.__code__
    has_one = code.co_argcount - (function is not decorator) >= 1 or code.co_flags & 0x04  # *args
    needed = code.co_argcount - (function is not decorator) - len(function.__defaults__ or ())
    return 1 if needed <= 0 and has_one else needed


def _refuse_awaitable(value: Any, decorator: Decorator) -> None:
    if hasattr(value, "__await__"):
        if hasattr(value, "close"):
            value.close()  # or Python warns that it was never awaited
        raise TypeError(_asynchronous(decorator))


def _generating(decorator: Decorator) -> str:
    return (
        f"A decorator in `around` must return a function that returns the reply, {decorator!r} "
        "returned a generator function: write `return` in place of `yield`."
    )


def _asynchronous(decorator: Decorator) -> str:
    return (
        f"A decorator in `around` must return a function that returns the reply, {decorator!r} is "
        "asynchronous, or what it returned is. Hosts of events do not await replies: write `def` "
        "in place of `async def`, or make it a middleware of the application."
    )
