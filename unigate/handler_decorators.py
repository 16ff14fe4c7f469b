"""The decorators around the handling of events, as `unigate.wrap(around=...)` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .events.handlers import Decorator, EventHandler


def surround(answer: EventHandler, decorators: Sequence[Decorator]) -> EventHandler:
    """Return a handler of events with decorators around it.

    Args:
        answer: The handler without them.
        decorators: The outermost first.

    Raises:
        TypeError: For a decorator that returns no function.
    """

    def lambda_handler(event: Any, context: Any = None) -> Any:
        return answer(event, context)

    # Some decorators take nothing but a function, Powertools' `lambda_handler_decorator` for one,
    # and some keep state: each gets this function, once.
    handler: EventHandler = lambda_handler
    for decorator in reversed(decorators):
        handler = decorator(handler)
        if not callable(handler):
            raise TypeError(
                f"A decorator in `around` must return a function, {decorator!r} returned "
                f"{handler!r}."
            )
    return handler
