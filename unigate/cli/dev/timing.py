"""How long the parts of an invocation take, seen from between a gateway and its event sources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from unigate import Gateway, Request, Response
from unigate.events import EventSource, find_source, generic
from unigate.types import Event, Reply


@dataclass
class Seen:
    """What was seen of an invocation; `laps` are the seconds for parts of it."""

    source: EventSource
    request: Request | None = None
    laps: dict[str, float] = field(default_factory=dict)
    parsed: float = 0.0
    """When the application's part began."""


class TimedSources:
    """The event sources of a gateway as a single one, chosen as the gateway would, and timed.

    It stands in their place. The gateway itself knows nothing of clocks.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._sources, self._named = gateway._sources, gateway._source
        self._seen: ContextVar[Seen] = ContextVar("unigate.dev.seen")
        timed: Any = self
        gateway._sources, gateway._source = (timed,), None

    @property
    def seen(self) -> Seen:
        """Return what was seen of the invocation that this context is of."""
        return self._seen.get(Seen(generic))

    def matches(self, event: Event) -> bool:
        source = find_source(event, self._sources, self._named)
        self._seen.set(Seen(source or generic))
        return source is not None

    def to_request(self, event: Event, context: Any) -> Request:
        with self._lap("parse") as seen:
            request = seen.request = seen.source.to_request(event, context)
        return request

    def to_reply(self, response: Response, event: Event) -> Reply:
        seen = self.seen
        seen.laps.setdefault("app", time.perf_counter() - seen.parsed)
        with self._lap("reply"):
            return seen.source.to_reply(response, event)

    def __getattr__(self, name: str) -> Any:
        """Return what else the source has: its limit, its name."""
        return getattr(self.seen.source, name)

    @contextmanager
    def _lap(self, name: str) -> Iterator[Seen]:
        seen = self.seen
        began = time.perf_counter()
        try:
            yield seen
        finally:
            seen.parsed = time.perf_counter()
            seen.laps[name] = seen.parsed - began
