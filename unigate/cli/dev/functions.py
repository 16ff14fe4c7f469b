"""The functions that `unigate dev` calls with events: in this process, in another, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from unigate import Gateway, Request
from unigate.deployment import Deployment, default_deployment
from unigate.emulator import invoke
from unigate.types import Event, Reply

from .inspector.exchanges import OnReport
from .inspector.sections import describe_request
from .lambda_host.streams import StreamedReply
from .prefix_watch import PrefixWatch
from .timing import Stopwatch


class Function(Protocol):
    """A function that is called with events.

    Attributes:
        deployment: The deployment whose headers the function trusts.
    """

    deployment: Deployment

    def __call__(self, event: Event, on_report: OnReport) -> Reply | StreamedReply:
        """Return the reply to an event, or a stream; raise the failure of the function.

        Args:
            on_report: Receives reports on the invocation, possibly later and from another thread.
        """


class Functions(Protocol):
    """A choice of functions by request."""

    def find(self, request: Request) -> tuple[Function, Request] | None:
        """Return the function for a request, and the request as it sees it; None for a 404."""

    def close(self) -> None:
        """Stop the processes that were started for the functions."""


class Here:
    """A gateway in this process."""

    def __init__(self, gateway: Gateway) -> None:
        self.deployment = gateway.deployment
        self._gateway = gateway
        self._stopwatch = Stopwatch(gateway)
        self._prefixes = PrefixWatch(gateway)
        self._called = False

    def __call__(self, event: Event, on_report: OnReport) -> Reply:
        cold, self._called = not self._called, True
        try:
            reply: Reply = invoke(self._gateway, event)
        finally:
            timings = self._stopwatch.timings
            if timings.request and timings.status:
                self._prefixes.note(timings.request, timings.status)
            request = describe_request(timings.request) if timings.request else None
            on_report({"cold": cold, "laps": timings.laps, "request": request})
        return reply

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        """Do nothing: lifespans stop with the process."""


class InRuntime:
    """An application in another process, under our Lambda runtime."""

    def __init__(self, target: str) -> None:
        from .lambda_host.host import LambdaHost

        self._runtime = LambdaHost(target)
        self.deployment = self._runtime.deployment

    def __call__(self, event: Event, on_report: OnReport) -> Reply | StreamedReply:
        return self._runtime.invoke(event, on_report)

    def find(self, request: Request) -> tuple[Function, Request]:
        return self, request

    def close(self) -> None:
        self._runtime.close()


class InFolder:
    """A folder with a function in each file."""

    def __init__(self, folder: Path) -> None:
        from unigate.cli.vercel.function_folder import FunctionFolder

        self.deployment = default_deployment()
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
        """Do nothing: lifespans stop with the process."""
