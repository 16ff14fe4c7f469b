"""Answer one invocation with a gateway, which may go on once it has responded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unigate import events, wsgi
from unigate.errors import failure_of
from unigate.events.detection import parse_event
from unigate.gateway import Gateway
from unigate.http import Response
from unigate.request import Request

from .client import RuntimeClient
from .errors import ErrorReport
from .handlers import resolve
from .invocation import Context, Invocation
from .marshalling import marshal
from .streaming import Gone, Outgoing, run_wsgi, send_whole

if TYPE_CHECKING:
    import asyncio

    from unigate.events.source import EventSource
    from unigate.routing import Mount
    from unigate.types import Event

_log = logging.getLogger("unigate")


def serve_gateway(
    gateway: Gateway,
    streaming: bool,
    client: RuntimeClient,
    invocation: Invocation,
    event: Any,
    context: Context,
) -> None:
    """Answer an invocation, in parts if `streaming` and the sender of the event takes them."""
    event = event if isinstance(event, dict) else parse_event(event)
    source = gateway.find_source(event)
    if source is None:
        result = call_function(gateway.notify, invocation, event, context)
        client.respond(invocation, *marshal(result))
        return
    if streaming and is_streamed(source, event):
        stream_answer(gateway, source, client, invocation, event, context)
        return
    client.respond(invocation, *marshal(answer_whole(gateway, source, invocation, event, context)))


def call_function(
    handler: Callable[[Any, Any], Any], invocation: Invocation, event: Any, context: Context
) -> Any:
    """Return what a handler returns; work that it gives to `wait_until` follows the response."""
    from unigate.background import deferring  # requests do without it

    with deferring(context) as deferred:
        invocation.after.append(deferred.finish)
        try:
            return resolve(handler(event, context))
        except BaseException as error:
            if (failure := failure_of(error)) is not error:
                raise failure from error
            raise


def answer_whole(
    gateway: Gateway, source: EventSource, invocation: Invocation, event: Any, context: Any
) -> Any:
    """Return the reply to an event."""
    run = _Run(gateway, invocation)
    return gateway.answer(source, event, context, run.buffered, run.finish_later)


def stream_answer(
    gateway: Gateway,
    source: EventSource,
    client: RuntimeClient,
    invocation: Invocation,
    event: Any,
    context: Any,
) -> Any:
    """Stream the response to an event; return the reply that began it, without a body."""
    request, mount, response = gateway.read(source, event, context)
    out = Outgoing(client, invocation, source, request)
    _stream(_Run(gateway, invocation, out), out, request, mount, response)
    return out.reply


def stream_reply(
    source: EventSource,
    client: RuntimeClient,
    invocation: Invocation,
    event: Any,
    context: Any,
    reply: Any,
) -> None:
    """Stream a reply that was made without the application."""
    out = Outgoing(client, invocation, source, source.to_request(event, context))
    send_whole(out, source.from_reply(reply))
    out.acknowledge()


def is_streamed(source: EventSource, event: Event) -> bool:
    """Return True if the sender of an event takes a response in parts.

    Function URLs do, and REST APIs; HTTP APIs do not, whose payload 1.0 looks like a REST API's.
    """
    name = events.name_of(source)
    if name == "rest_api":
        return event.get("version") is None
    return name == "http_api" and events.http_api.is_function_url(event)


def _stream(
    run: _Run, out: Outgoing, request: Request, mount: Mount | None, response: Response | None
) -> None:
    """Stream the response of an application, or the one that is there instead."""
    if mount is not None:
        try:
            run.streamed(mount, request, out)
        except BaseException as error:
            if out.started:
                _end_early(out, request, error)
            if not isinstance(error, Exception):
                raise
            if out.started:
                return
            response = run.gateway.recover(error, request)
        finally:
            run.finish_later(request)
    if not out.started:
        assert response is not None
        send_whole(out, response)
    out.acknowledge()


def _end_early(out: Outgoing, request: Request, error: BaseException) -> None:
    """End a response that has begun; a failure can only be logged by now."""
    if out.gone or isinstance(error, Gone):
        _log.info("%r: the client disconnected.", request)
    elif out.complete:
        _log.error("%r failed after its response was complete.", request, exc_info=error)
    else:
        _log.error("%r failed in the middle of its response.", request, exc_info=error)
    if not out.complete or out.gone:
        out.break_off(ErrorReport(error))
    if out.complete and not out.gone:
        out.acknowledge()


class _Run:
    """The run of an application for one invocation, which may go on after the response."""

    def __init__(
        self, gateway: Gateway, invocation: Invocation, out: Outgoing | None = None
    ) -> None:
        self.gateway = gateway
        self._invocation = invocation
        self._out = out

    def buffered(self, mount: Mount, request: Request) -> Response:
        """Run an application, and return its response."""
        if mount.interface == "wsgi":
            return wsgi.call(mount.app, request, request.root_path + mount.prefix)
        response: Response = self._run_asgi(mount, request).whole(request)
        return response

    def streamed(self, mount: Mount, request: Request, out: Outgoing) -> None:
        """Run an application that sends its response through `out`."""
        if mount.interface == "wsgi":
            run_wsgi(mount.app, request, request.root_path + mount.prefix, out)
            return
        answer = self._run_asgi(mount, request)
        if out.gone:
            raise Gone("The client disconnected before the end of the response.")
        if not out.complete:
            from unigate.asgi.driver import incomplete_response

            raise incomplete_response(started=out.started)
        answer.check_length(request)

    def _run_asgi(self, mount: Mount, request: Request) -> Any:
        """Run an application until it has answered; the rest of its run is left for later."""
        from . import asgi

        runtime, out = self.gateway.applications.runtime, self._out
        answer: Any = None

        async def run() -> asyncio.Task[None]:
            nonlocal answer
            body = request.body
            answer = asgi.BufferedAnswer(body) if out is None else asgi.StreamedAnswer(body, out)
            return await asgi.run(runtime, mount, request, answer, self._invocation)

        task = runtime.loop.run(run())
        complete = answer.complete if out is None else out.complete
        if not task.done():
            self._invocation.after.append(lambda: self._go_on(task, request))
        elif (error := asgi.error_of(task)) is not None:
            if not isinstance(error, Exception) or not complete or self.gateway.raising:
                raise error
            _log.error("%r failed after its response was complete.", request, exc_info=error)
        return answer

    def _go_on(self, task: asyncio.Task[None], request: Request) -> None:
        """Let an application do what it does after its response."""
        from . import asgi

        gone = self._out is not None and self._out.gone
        error = self.gateway.runtime.loop.run(asgi.finish(task, request, gone=gone))
        if error is not None and not isinstance(error, Exception):
            raise error
        if error is not None and not (self._out is not None and self._out.gone):
            _log.error("%r failed after its response was complete.", request, exc_info=error)

    def finish_later(self, request: Request) -> None:
        """Run the work given to `wait_until` once the response was handed over."""
        self._invocation.after.append(request.finish)
