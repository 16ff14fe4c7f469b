"""Answer one invocation, with a gateway or any other handler of Lambda's kind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from unigate import background, wsgi
from unigate.errors import IncompleteResponse
from unigate.events import EventSource, find_source, parse_event
from unigate.events.replies import write_reply
from unigate.gateway import Gateway
from unigate.http import Response
from unigate.request import Request
from unigate.routing import Mount

from .client import RuntimeClient
from .errors import ErrorReport
from .handlers import resolve
from .invocation import Context, Invocation
from .marshalling import marshal
from .streaming import Gone, Outgoing, run_wsgi, send_whole

if TYPE_CHECKING:
    import asyncio

    from unigate.asgi.runtime import Running

_log = logging.getLogger("unigate")

Serve = Callable[[RuntimeClient, Invocation, Any, Context], None]


def serving(handler: Any, *, streaming: bool) -> Serve:
    """Return what answers invocations with a handler: a gateway, or any `(event, context)`."""
    if isinstance(handler, Gateway):
        return partial(_serve_gateway, handler, streaming)
    return partial(_serve_function, handler)


def _serve_function(
    handler: Any, api: RuntimeClient, invocation: Invocation, event: Any, context: Context
) -> None:
    with background.keeping(event, context) as kept:
        invocation.after.append(partial(background.finish, kept))
        result = resolve(handler(event, context))
    api.respond(invocation, *marshal(result))


def _serve_gateway(
    gateway: Gateway,
    streaming: bool,
    api: RuntimeClient,
    invocation: Invocation,
    event: Any,
    context: Context,
) -> None:
    event = event if isinstance(event, dict) else parse_event(event)
    source = find_source(event, gateway._sources, gateway._source)
    if source is None:
        _serve_function(gateway._notify, api, invocation, event, context)
        return
    request, mount, response = gateway._read(source, event, context)
    turn = _Turn(gateway, api, invocation, source, request)
    if streaming and is_streamed(request):
        turn.out = Outgoing(api, invocation, source, request)
    turn.answer(mount, response)


def is_streamed(request: Request) -> bool:
    """Tell whether who sent an event takes an answer in parts, if the function gives it so.

    Function URLs do, and REST APIs, but not HTTP APIs, whose payload 1.0 looks like a REST API's.
    """
    if request.source == "rest_api":
        return request.event.get("version") is None
    return request.source == "function_url"


class _Turn:
    """One request, on its way through the gateway."""

    def __init__(
        self,
        gateway: Gateway,
        api: RuntimeClient,
        invocation: Invocation,
        source: EventSource,
        request: Request,
    ) -> None:
        self._gateway = gateway
        self._api = api
        self._invocation = invocation
        self._source = source
        self._request = request
        self.out: Outgoing | None = None

    def answer(self, mount: Mount | None, response: Response) -> None:
        """Answer with an application, or with the response where none is there for it."""
        made: Response | None = response
        if mount is not None:
            self._invocation.after.append(self._finish)
            try:
                made = self._run(mount)
            except BaseException as error:
                if self.out is not None and self.out.started:
                    self._end_early(self.out, error)
                if not isinstance(error, Exception):
                    raise
                if self.out is not None and self.out.started:
                    return
                made = self._gateway._recover(error, self._request)
        if self.out is None:
            assert made is not None
            reply = write_reply(self._source, self._request.event, self._request, made)
            self._api.respond(self._invocation, *marshal(reply))
            return
        if made is not None:
            send_whole(self.out, made)
        self._api.finish_stream(self._invocation)

    def _run(self, mount: Mount) -> Response | None:
        """Run an application; return its response, unless that was streamed."""
        if mount.interface == "asgi":
            return self._run_asgi(mount)
        root_path = self._request.root_path + mount.prefix
        if self.out is None:
            return wsgi.call(mount.app, self._request, root_path)
        run_wsgi(mount.app, self._request, root_path, self.out)
        return None

    def _run_asgi(self, mount: Mount) -> Response | None:
        """Run an application until it has answered; what it does then is for afterwards."""
        from . import asgi

        running, request, out = self._gateway._running, self._request, self.out
        turn: Any = None

        async def run() -> asyncio.Task[None]:
            nonlocal turn
            body = request.body
            turn = asgi.WholeTurn(body) if out is None else asgi.StreamedTurn(body, out)
            return await asgi.run(running, mount, request, turn, self._invocation)

        task = running.loop.run(run())
        complete = turn.complete if out is None else out.complete
        if not task.done():
            self._invocation.after.insert(0, lambda: self._go_on(running, task))
        elif (error := asgi.error_of(task)) is not None:
            if not isinstance(error, Exception) or not complete or self._gateway._raising:
                raise error
            _log.error("%r failed after it was answered.", request, exc_info=error)
        if out is None:
            whole: Response = turn.whole()
            return whole
        if out.gone:
            raise Gone("The client went away before it had the whole response.")
        if not complete:
            what = "unfinished" if out.started else "none"
            raise IncompleteResponse(f"The application returned and its response is {what}.")
        return None

    def _go_on(self, running: Running, task: asyncio.Task[None]) -> None:
        """Let an application do what it does after its answer."""
        from . import asgi

        gone = self.out is not None and self.out.gone
        error = running.loop.run(asgi.finish(task, self._request, gone=gone))
        if error is not None and not isinstance(error, Exception):
            raise error
        if error is not None and (self.out is None or not self.out.gone):
            _log.error("%r failed after it was answered.", self._request, exc_info=error)

    def _end_early(self, out: Outgoing, error: BaseException) -> None:
        """Bring an answer that was begun to some end; a failure can only be logged by now."""
        if out.gone or isinstance(error, Gone):
            _log.info("%r: the client went away.", self._request)
        elif out.complete:
            _log.error("%r failed after it was answered.", self._request, exc_info=error)
        else:
            _log.error("%r failed in the middle of its answer.", self._request, exc_info=error)
        if not out.complete or out.gone:
            out.break_off(ErrorReport(error))
        if out.complete and not out.gone:
            self._api.finish_stream(self._invocation)

    def _finish(self) -> None:
        """Do what the application gave to `wait_until`."""
        self._request.answered = True
        if self._request.deferred:
            background.finish(self._request)
