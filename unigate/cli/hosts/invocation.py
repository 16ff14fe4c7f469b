"""What the local host calls with an event: an application here or elsewhere, or one of many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unigate import Gateway, Request, Response
from unigate.deployment import Deployment, default
from unigate.events import EventSource, find_source, generic
from unigate.local import Context, sent
from unigate.types import Event, Reply

if TYPE_CHECKING:
    from .runtime_host import Streamed


@dataclass
class Seen:
    """What was seen of an invocation; `laps` are the seconds for parts of it."""

    cold: bool = False
    request: Request | None = None
    laps: dict[str, float] = field(default_factory=dict)
    parsed: float = 0.0


class Function(Protocol):
    """Something to call with an event."""

    deployment: Deployment
    """Whose headers are believed there."""

    def __call__(self, event: Event, seen: Seen) -> Reply | Streamed:
        """Return the reply to an event, or a stream; raise what has failed."""


class Functions(Protocol):
    """Where there is a function for each request."""

    def find(self, request: Request) -> tuple[Function, Request] | None:
        """Return what to call, and the request as it sees it; None where there is nothing."""

    def close(self) -> None:
        """End what was started for them."""


class Here:
    """A gateway in this process."""

    def __init__(self, gateway: Gateway) -> None:
        self.deployment = gateway._deployment
        self._handler = gateway.lambda_handler
        self._called = False
        _TimedSources(gateway)

    def __call__(self, event: Event, seen: Seen) -> Reply:
        seen.cold, self._called = not self._called, True
        token = _seen.set(seen)
        try:
            reply: Reply = sent(self._handler(event, Context()))
        finally:
            _seen.reset(token)
        return reply

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        """Leave it to the process, which stops lifespans at its end."""


class InRuntime:
    """An application in a process of its own, under our runtime for AWS Lambda."""

    def __init__(self, target: str) -> None:
        from .runtime_host import RuntimeHost

        self.deployment = default()
        self._runtime = RuntimeHost(target)
        self._called = False

    def __call__(self, event: Event, seen: Seen) -> Reply | Streamed:
        seen.cold, self._called = not self._called, True
        source = find_source(event)
        seen.request = source.to_request(event, Context()) if source else None
        return self._runtime.ask(event)

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        self._runtime.close()


class InFolder:
    """A folder of files, each of which is a function."""

    def __init__(self, folder: Path) -> None:
        from .function_folder import FunctionFolder

        self.deployment = default()
        self._folder = FunctionFolder(folder)
        self._functions: dict[Gateway, Here] = {}

    def find(self, request: Request) -> tuple[Function, Request] | None:
        found = self._folder.gateway_of(request)
        if found is None:
            return None
        gateway, request = found
        if gateway not in self._functions:
            self._functions[gateway] = Here(gateway)
        return self._functions[gateway], request

    def close(self) -> None:
        """Leave it to the process, which stops lifespans at its end."""


_seen: ContextVar[Seen] = ContextVar("unigate.dev.seen")


class _TimedSources:
    """The event sources of a gateway as a single one, chosen as the gateway would, and timed.

    It stands in their place. The gateway itself knows nothing of clocks.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._sources, self._named = gateway._sources, gateway._source
        self._chosen: ContextVar[EventSource] = ContextVar("unigate.dev.source", default=generic)
        timed: Any = self
        gateway._sources, gateway._source = (timed,), None

    def matches(self, event: Event) -> bool:
        source = find_source(event, self._sources, self._named)
        if source is not None:
            self._chosen.set(source)
        return source is not None

    def to_request(self, event: Event, context: Any) -> Request:
        with _lap("parse") as seen:
            request = seen.request = self._chosen.get().to_request(event, context)
        return request

    def to_reply(self, response: Response, event: Event) -> Reply:
        seen = _seen.get(Seen())
        seen.laps.setdefault("app", time.perf_counter() - seen.parsed)
        with _lap("reply"):
            return self._chosen.get().to_reply(response, event)

    def __getattr__(self, name: str) -> Any:
        """Return what else the source has: its limit, its name."""
        return getattr(self._chosen.get(), name)


@contextmanager
def _lap(name: str) -> Iterator[Seen]:
    seen = _seen.get(Seen())
    began = time.perf_counter()
    try:
        yield seen
    finally:
        seen.parsed = time.perf_counter()
        seen.laps[name] = seen.parsed - began
