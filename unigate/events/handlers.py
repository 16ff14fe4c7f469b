"""The functions that handle non-HTTP events, by the kind of event and what its filters want.

Few applications have such functions: what registers them is imported then, not at a cold start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from . import kinds
from .kinds import kind_of

EventHandler = Callable[[Any, Any], Any]
Decorator = Callable[[EventHandler], EventHandler]
Handler = TypeVar("Handler", bound=EventHandler)


registered: WeakKeyDictionary[EventHandler, set[str]] = WeakKeyDictionary()
"""The handlers of all gateways and their kinds, for decorators that must come before that."""


class RegisteredHandler:
    """A function, as it was registered and as it is called, and the filters of its events."""

    __slots__ = ("call", "function", "wanted")

    def __init__(self, wanted: dict[str, str], function: EventHandler, call: EventHandler) -> None:
        self.wanted = wanted
        self.function = function
        self.call = call

    def takes(self, kind: str, event: Any) -> bool:
        """Return True for an event that has all that the filters want."""
        if not self.wanted:
            return True
        from . import filters

        return filters.match(kind, self.wanted, event)


class EventHandlers:
    """Handlers by the kind of the events that they take, as `Gateway.on_event` registers them.

    Args:
        handlers: Where they are kept, by kind.
    """

    def __init__(self, handlers: dict[str, list[RegisteredHandler]]) -> None:
        self._handlers = handlers

    def register(self, kind: str, wanted: dict[str, str]) -> Callable[[Handler], Handler]:
        """Return a decorator that registers a handler.

        Raises:
            TypeError: The kind has no such filter, its value is not text, or the handler cannot be
                called with (event, context) or with events of the kind (raised by the decorator).
            ValueError: The kind is unknown, a filter is empty, or the kind has a handler with the
                same filters (raised by the decorator).
        """
        from . import filters
        from .parameters import check_parameters
        from .typed_events import with_event_class

        known = (*kinds.NAMES, "*")
        if callable(kind):
            raise TypeError(
                f'The kind of event is missing: write @app.on_event("sqs") above {_name(kind)}. A '
                f"kind is one of {', '.join(map(repr, known))}."
            )
        if kind not in known:
            raise ValueError(
                f"kind must be one of {', '.join(map(repr, known))}, got {kind!r}.{_meant(kind)}"
            )
        wanted = filters.checked(kind, wanted)

        def register(handler: Handler) -> Handler:
            check_parameters(handler, "event", "context")
            check_kind = getattr(handler, "check_kind", None)  # of `batches.each_record`
            if check_kind is not None:
                check_kind(kind)
            call = with_event_class(handler, kind)
            handlers = self._handlers.setdefault(kind, [])
            for other in handlers:
                if other.wanted == wanted:
                    raise ValueError(_taken(kind, wanted, other.function, handler))
            handlers.append(RegisteredHandler(wanted, handler, call))
            handlers.sort(key=lambda one: not one.wanted)  # the one without filters comes last
            with suppress(TypeError):  # such as a method of an object with slots
                registered.setdefault(handler, set()).add(kind)
            return handler

        return register

    def find(self, event: Any) -> EventHandler | None:
        """Return the handler of an event, or None; a warm-up always has one."""
        kind = kind_of(event)
        for name in _kinds(kind):
            for one in self._handlers.get(name, ()):
                if one.takes(name, event):
                    return one.call
        return _answer_warmup if kind == "warmup" else None

    def filtered(self, event: Any) -> list[str]:
        """Return the kinds of the handlers that an event without a handler had."""
        return [name for name in _kinds(kind_of(event)) if name in self._handlers]


# What other tools and people call the kinds.
_OTHER_NAMES = {
    "bucket": "s3", "cron": "schedule", "event": "eventbridge", "events": "eventbridge",
    "queue": "sqs", "rate": "schedule", "stream": "kinesis", "table": "dynamodb",
    "timer": "schedule", "topic": "sns",
}  # fmt: skip


def _meant(kind: object) -> str:
    """Return what to say of a kind that is unknown."""
    from unigate.nearest import did_you_mean

    if kind in ("startup", "shutdown", "lifespan"):
        return " The start and the end of a process are the lifespan of an ASGI application."
    if kind in ("http", "request", "api"):
        return " HTTP requests go to the application."
    other = _OTHER_NAMES.get(kind) if isinstance(kind, str) else None
    return f" Did you mean {other!r}?" if other else did_you_mean(kind, kinds.NAMES)


def _kinds(kind: str | None) -> tuple[str, ...]:
    """Return the kinds whose handlers take an event of a kind, the most particular first."""
    if kind is None:
        return ("*",)
    return (kind, "eventbridge", "*") if kind == "schedule" else (kind, "*")


def _answer_warmup(event: Any, context: Any) -> dict[str, Any]:
    return {}


def _taken(kind: str, wanted: dict[str, str], first: EventHandler, second: EventHandler) -> str:
    from .filters import FILTERS

    known = FILTERS.get(kind)
    more = [name for name in known or () if name not in wanted]
    another = "another filter" if wanted else "a filter"
    advice = f" To tell events apart, pass {another}: {', '.join(more)}." if more else ""
    what = f"the kind {kind!r}"
    if wanted:
        what += " and " + ", ".join(f"{name}={value!r}" for name, value in wanted.items())
    return (
        f"Events of {what} must have one function, got {_name(second)} while {_name(first)} is "
        f"registered already.{advice}"
    )


def _name(function: EventHandler) -> str:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    return f"{module}.{name}" if name else repr(function)
