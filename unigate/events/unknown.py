"""The errors for events that no source reads: what was seen, what was tried, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unigate.errors import UnknownEvent

from . import detection, kinds
from .kinds import kind_of
from .source import EventSource, name_of


def unknown_event(
    event: Any, extra: tuple[EventSource, ...] = (), filtered: Sequence[str] = ()
) -> UnknownEvent:
    """Return an error with the keys of the event, and the sources or functions that were tried.

    Args:
        filtered: The kinds with functions whose filters do not match the event.
    """
    kind = kind_of(event)
    if kind is None:
        return UnknownEvent(f"{_seen(event)} {_advice_without_kind(event, extra)}")
    if filtered:
        tried = " and ".join(f'@app.on_event("{name}")' for name in filtered)
        advice = (
            f"It is not an HTTP request (kind: {kind}), and the filters of no function match it: "
            f"change those of {tried}, or register one without filters for the rest."
        )
    else:
        named = kind if kind in kinds.NAMES else "*"
        advice = (
            f"It is not an HTTP request (kind: {kind}): register a function for it with "
            f'@app.on_event("{named}").{_advice_on_commands(event)}'
        )
    return UnknownEvent(f"{_seen(event)} {advice}")


def _advice_on_commands(event: Any) -> str:
    if not isinstance(event, dict) or kinds.COMMANDS.isdisjoint(event):
        return ""
    form = "" if event.keys() == {"manage"} else 'as {"manage": "..."} and nothing else '
    return (
        f" Commands of Django and Flask are run {form}by the plugins' function: "
        'app.on_event("manage")(django_unigate.manage), or flask_unigate.manage(site).'
    )


def _seen(event: Any) -> str:
    if isinstance(event, dict):
        return f"Got an event with {_keys(event)}."
    if isinstance(event, list):
        return f"Got a list of length {len(event)} as the event."
    return f"An event must be a JSON object, got {type(event).__name__}."


def _advice_without_kind(event: Any, extra: tuple[EventSource, ...]) -> str:
    """Return what to do about an event that is of no known source or kind."""
    register = '@app.on_event("*")'
    if isinstance(event, list):
        return (
            f"The items are not those of a kind that has lists ({', '.join(kinds.LISTS)}): "
            f"register a function for it with {register}."
        )
    names = dict.fromkeys([*map(name_of, extra), *(row.module for row in detection.ROWS)])
    tried = f"No event source matches it. Tried: {', '.join(names)}."
    if not isinstance(event, dict):
        return f"{tried} If it is the input of a function, register one with {register}."
    return (
        f"{tried} If it is an HTTP request in the format of one of these, name it: "
        "wrap(..., source=...). If it is an event of another kind, register a function for it with "
        f"{register}."
    )


def unreadable_event(source: EventSource, event: Any, error: Exception) -> UnknownEvent:
    """Return an error for an event that its source failed to read."""
    keys = _keys(event) if isinstance(event, dict) else f"the type {type(event).__name__}"
    return UnknownEvent(
        f"Got an event with {keys}. The source {name_of(source)!r} cannot read it: {error!r}. "
        "If it is in the format of another source, name that one: wrap(..., source=...)."
    )


def _keys(event: dict[str, Any]) -> str:
    return f"the keys {', '.join(map(repr, event))}" if event else "no keys"
