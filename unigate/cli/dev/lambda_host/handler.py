"""The handler that `unigate dev --stream` runs: its target, wrapped where it is no gateway.

The runtime takes a handler as Lambda does, and Lambda knows neither WSGI nor ASGI applications.
What the page shows of an invocation, this tells the process that has started it.
"""

from __future__ import annotations

import copy
import os
import time
from typing import Any

from unigate import Request, Response
from unigate.cli.dev.inspector.logs import line_of, on_record
from unigate.cli.dev.inspector.sections import describe_request
from unigate.cli.dev.timing import TimedSources
from unigate.cli.project.target import Unloadable, load
from unigate.lambda_runtime import on_invocation_end
from unigate.lambda_runtime.api import RuntimeApi
from unigate.lambda_runtime.failures import Failure, Fault
from unigate.types import Event, Reply

from .reports import ReportWriter

_target = os.environ.pop("UNIGATE_DEV_TARGET")
_writer = ReportWriter(int(os.environ.pop("UNIGATE_DEV_REPORTS")))
_tell = _writer.write
try:
    app = load(_target)
except Unloadable as error:
    # It is for the process that has started this one to say, and not for the runtime's log as well.
    problem = error.message.removeprefix(f"{_target!r} cannot be loaded: ")
    fault = Fault("Unloadable", problem, trace=[error.trace])
    RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"]).init_failed(Failure(fault))
    os._exit(1)


class _ToldSources(TimedSources):
    """Event sources that tell what is seen at once: the application may end the process."""

    def to_request(self, event: Event, context: Any) -> Request:
        request = super().to_request(event, context)
        routed = copy.copy(request)
        routed.deployment = app._deployment
        app._route(routed)
        _tell(laps=self.seen.laps, request=describe_request(routed))
        self.seen.parsed = time.perf_counter()
        return request

    def to_reply(self, response: Response, event: Event) -> Reply:
        reply = super().to_reply(response, event)
        _tell(laps=self.seen.laps)
        return reply


_ToldSources(app)
_writer.write_start(
    platform=app._deployment._platform, trusted_proxies=app._deployment._trusted_proxies
)
on_record(lambda record: _tell(line=line_of(record)))
on_invocation_end(_tell)
