"""The functions that handle non-HTTP events, by the kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from . import kinds
from .kinds import kind_of

EventHandler = Callable[[Any, Any], Any]
Handler = TypeVar("Handler", bound=EventHandler)


class EventHandlers:
    """Handlers by the kind of the events that they take, as `Gateway.on_event` registers them."""

    def __init__(self) -> None:
        self._handlers: dict[str, EventHandler] = {}

    def register(self, kind: str) -> Callable[[Handler], Handler]:
        """Return a decorator that registers a handler; ValueError for an unknown kind."""
        known = (*kinds.NAMES, "*")
        if kind not in known:
            raise ValueError(f"kind must be one of {', '.join(map(repr, known))}, got {kind!r}.")

        def register(handler: Handler) -> Handler:
            self._handlers[kind] = handler
            return handler

        return register

    def find(self, event: Any) -> EventHandler | None:
        """Return the handler of an event, or None; a warm-up always has one."""
        kind = kind_of(event) if isinstance(event, dict) else None
        for name in (kind, "eventbridge" if kind == "schedule" else "*", "*"):
            if name in self._handlers:
                return self._handlers[name]
        return _answer_warmup if kind == "warmup" else None


def _answer_warmup(event: Any, context: Any) -> dict[str, Any]:
    return {}
