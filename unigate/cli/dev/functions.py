"""What the local host calls with an event: an application here or elsewhere, or one of many."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from unigate import Gateway, Request
from unigate.deployment import Deployment, default
from unigate.emulator import Context, sent
from unigate.types import Event, Reply

from .inspector.exchanges import OnReport
from .inspector.sections import describe_request
from .lambda_host.streams import StreamedReply
from .timing import TimedSources


class Function(Protocol):
    """Something to call with an event."""

    deployment: Deployment
    """Whose headers are believed there."""

    def __call__(self, event: Event, take: OnReport) -> Reply | StreamedReply:
        """Return the reply to an event, or a stream; raise what has failed.

        take: is told what there is to know of it, perhaps afterwards and by another thread.
        """


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
        self._sources = TimedSources(gateway)
        self._called = False

    def __call__(self, event: Event, take: OnReport) -> Reply:
        cold, self._called = not self._called, True
        try:
            reply: Reply = sent(self._handler(event, Context()))
        finally:
            seen = self._sources.seen
            request = describe_request(seen.request) if seen.request else None
            take({"cold": cold, "laps": seen.laps, "request": request})
        return reply

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        """Leave it to the process, which stops lifespans at its end."""


class InRuntime:
    """An application in a process of its own, under our runtime for AWS Lambda."""

    def __init__(self, target: str) -> None:
        from .lambda_host.host import LambdaHost

        self._runtime = LambdaHost(target)
        self.deployment = self._runtime.deployment

    def __call__(self, event: Event, take: OnReport) -> Reply | StreamedReply:
        return self._runtime.invoke(event, take)

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        self._runtime.close()


class InFolder:
    """A folder of files, each of which is a function."""

    def __init__(self, folder: Path) -> None:
        from unigate.cli.vercel.function_folder import FunctionFolder

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
