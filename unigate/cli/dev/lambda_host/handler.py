"""The Lambda handler of `unigate dev --stream`: its target, wrapped unless it is a gateway.

The runtime takes handlers only, as Lambda does, not WSGI or ASGI applications. What the page shows
of an invocation, this module reports to the process that started it.
"""

from __future__ import annotations

import copy
import os
import time
from typing import Any

from unigate import Request, Response
from unigate.cli.dev.inspector.logs import line_of, on_record
from unigate.cli.dev.inspector.sections import describe_request
from unigate.cli.dev.prefix_watch import PrefixWatch
from unigate.cli.dev.timing import TimedSource, Timings, as_source
from unigate.cli.project.target import Unloadable, load
from unigate.lambda_runtime import on_invocation_end
from unigate.lambda_runtime.client import RuntimeClient
from unigate.lambda_runtime.errors import ErrorReport, TypedError
from unigate.types import Event, Reply

from .reports import ReportWriter

_target = os.environ.pop("UNIGATE_DEV_TARGET")
_writer = ReportWriter(int(os.environ.pop("UNIGATE_DEV_REPORTS")))
try:
    app = load(_target)
except Unloadable as error:
    # Reported to the parent process, which prints it; the runtime would log it a second time.
    problem = error.message.removeprefix(f"{_target!r} cannot be loaded: ")
    fault = TypedError("Unloadable", problem, trace=[error.trace])
    RuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]).report_init_error(ErrorReport(fault))
    os._exit(1)


class _ReportingSource(TimedSource):
    """A timed source that reports each step at once: the application may end the process."""

    def to_request(self, event: Event, context: Any) -> Request:
        request = super().to_request(event, context)
        routed = copy.copy(request)
        routed.deployment = app.deployment
        app.route(routed)
        _writer.write(laps=self.timings.laps, request=describe_request(routed))
        self.timings.application_began = time.perf_counter()
        return request

    def to_reply(self, response: Response, event: Event) -> Reply:
        reply = super().to_reply(response, event)
        _writer.write(laps=self.timings.laps)
        if self.timings.request is not None:
            _prefixes.note(self.timings.request, response.status)
        return reply


_prefixes = PrefixWatch(app)
app.wrap_sources(lambda source: as_source(_ReportingSource(source, Timings())))
_writer.write_start(
    platform=app.deployment.platform, trusted_proxies=app.deployment.trusted_proxies
)
on_record(lambda record: _writer.write(line=line_of(record)))
on_invocation_end(_writer.write)
