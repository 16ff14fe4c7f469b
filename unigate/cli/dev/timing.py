"""How long the parts of an invocation take: reading the event, the application, the reply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from unigate import Gateway, Request, Response
from unigate.events import EventSource
from unigate.types import Event, Reply


@dataclass
class Timings:
    """What is measured of an invocation; `laps` are seconds, by the name of the part."""

    request: Request | None = None
    status: int | None = None
    laps: dict[str, float] = field(default_factory=dict)
    application_began: float = 0.0


class TimedSource:
    """An event source whose steps are timed."""

    def __init__(self, source: EventSource, timings: Timings) -> None:
        self._source = source
        self.timings = timings

    def to_request(self, event: Event, context: Any) -> Request:
        with self._lap("parse"):
            request = self.timings.request = self._source.to_request(event, context)
        return request

    def to_reply(self, response: Response, event: Event) -> Reply:
        seconds = time.perf_counter() - self.timings.application_began
        self.timings.laps.setdefault("app", seconds)
        self.timings.status = response.status
        with self._lap("reply"):
            return self._source.to_reply(response, event)

    def __getattr__(self, name: str) -> Any:
        """Return what else a source has, such as its name and its limit."""
        return getattr(self._source, name)

    @contextmanager
    def _lap(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings.application_began = time.perf_counter()
            self.timings.laps[name] = self.timings.application_began - began


def as_source(timed: Any) -> EventSource:
    """Return a timed source under the type of those that it delegates to."""
    source: EventSource = timed
    return source


class Stopwatch:
    """The timings of a gateway's invocations, one for each context."""

    def __init__(self, gateway: Gateway) -> None:
        self._timings: ContextVar[Timings] = ContextVar("unigate.dev.timings")
        gateway.wrap_sources(self._start)

    @property
    def timings(self) -> Timings:
        """The timings of the invocation of this context."""
        return self._timings.get(Timings())

    def _start(self, source: EventSource) -> EventSource:
        timings = Timings()
        self._timings.set(timings)
        return as_source(TimedSource(source, timings))
