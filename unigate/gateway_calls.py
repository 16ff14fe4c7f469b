"""Calls of a gateway object with unusual arguments: those of an event, or of no door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_event_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return True for a call with an event alone, or with a context by its name."""
    names = [*("event" for _ in args), *kwargs]
    if sorted(names) not in (["event"], ["context", "event"]):
        return False
    event = args[0] if args else kwargs["event"]
    return not (isinstance(event, Mapping) and "asgi" in event)  # ASGI 2 calls with a scope alone


def wrong_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the message of the TypeError for arguments of no door."""
    got = [*(type(value).__name__ for value in args), *(f"{name}=" for name in kwargs)]
    return (
        "A gateway must be called with (event, context), (event), (environ, start_response) or "
        f"(scope, receive, send), got ({', '.join(got)}). Within an event loop, call `await "
        "app.handle(event, context)`."
    )
