"""The ASGI side of a gateway in this process: its lifespans, its bridges and the event loop.

It is separate from the gateway, so that events for WSGI applications never import asyncio, and
because none of it survives a fork.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from unigate.context import current_request_var
from unigate.errors import ApplicationAborted
from unigate.http.responses import Response
from unigate.isolation import in_pool, isolated
from unigate.loop import at_exit, process_loop

from .driver import (
    ResponseCollector,
    WatchedResponse,
    build_scope,
    checking,
    collect,
    kept,
    send_response,
)
from .lifespan import Lifespan, Lifespans

if TYPE_CHECKING:
    from unigate.background import Deferred
    from unigate.deployment import Deployment
    from unigate.request import Request
    from unigate.routing import Mount, Router
    from unigate.types import ASGIApp, Environ, Receive, Scope, Send, WSGIApp

    from .disconnects import Client
    from .lifespan import Mode
    from .live_requests import LiveRequest
    from .wsgi_applications import WSGIBridge

_log = logging.getLogger("unigate")

_NO_STATE: dict[str, Any] = {}


class ASGIRuntime:
    """What runs for one gateway in one process.

    Attributes:
        loop: The event loop of the process.
        lifespans: The lifespans of all ASGI applications.
    """

    def __init__(self, router: Router, mode: Mode) -> None:
        self.loop = process_loop()
        lifespans: dict[Mount, Lifespan] = {}
        if mode != "off":
            lifespans = {
                mount: Lifespan(mount.app, mode) for mount in router if mount.interface == "asgi"
            }
        self.lifespans = Lifespans(list(lifespans.values()))
        self._states = {mount: lifespan.state for mount, lifespan in lifespans.items()}
        self._stops_at_exit = False
        self._router = router
        self._bridges: dict[Mount, WSGIBridge] = {}
        self._live: type[LiveRequest] | None = None

    def start(self) -> None:
        """Start the lifespans now instead of with the first request, from any thread."""
        self._stop_at_exit()
        self.loop.run(self.lifespans.start())

    def stop(self) -> None:
        """Stop the lifespans that were started on the event loop of the process."""
        if self.lifespans.started and not self.loop.left_behind:
            self.loop.run_last(self.lifespans.stop())

    def _stop_at_exit(self) -> None:
        # In the thread of the caller: a handler for SIGTERM can be set in the main thread only.
        if not self._stops_at_exit:
            self._stops_at_exit = True
            at_exit(self.stop)

    # --- a request in memory, on the event loop of the process -----------------------------------

    def answer(self, mount: Mount, request: Request, raising: bool) -> Response:
        """Run an ASGI application for a request, from any thread."""
        if not self._stops_at_exit:
            self._stop_at_exit()
        response = ResponseCollector(request.body)
        try:
            if not self.lifespans.started:
                return self.loop.run(self._start_and_collect(mount, request, raising, response))
            scope = self.scope_of(mount, request)
            return self.loop.run(collect(mount.app, scope, request, raising, response))
        except ApplicationAborted as failure:
            return kept(response, request, raising, failure)

    async def answer_async(self, mount: Mount, request: Request, raising: bool) -> Response:
        """Run an application of either interface for a request, from any event loop."""
        if mount.interface == "wsgi":
            from unigate import wsgi  # ASGI applications do without it

            root_path = request.root_path + mount.prefix
            return await in_pool(wsgi.call, mount.app, request, root_path)
        self._stop_at_exit()
        response = ResponseCollector(request.body)
        try:
            running = self._start_and_collect(mount, request, raising, response)
            return await self.loop.join(running)
        except ApplicationAborted as failure:
            return kept(response, request, raising, failure)

    async def _start_and_collect(
        self, mount: Mount, request: Request, raising: bool, response: ResponseCollector
    ) -> Response:
        if not self.lifespans.started:
            await self.lifespans.start()
        scope = self.scope_of(mount, request)
        return await collect(mount.app, scope, request, raising, response)

    def scope_of(self, mount: Mount, request: Request) -> Scope:
        """Build the scope of a request in memory, with the state of the application's lifespan."""
        state = self._states.get(mount, _NO_STATE)
        return build_scope(request, request.root_path + mount.prefix, state)

    # --- a non-HTTP event ------------------------------------------------------------------------

    def run_started(self, result: Awaitable[Any]) -> Any:
        """Await what a handler returned, on the loop of the applications, from any thread."""
        self._stop_at_exit()
        return self.loop.run(_await(result))

    async def call_handler(self, handler: Callable[[], Any]) -> Any:
        """Call a handler in a thread, and await what it returns, from any event loop."""
        self._stop_at_exit()
        result = await in_pool(handler)
        return await self.loop.join(_await(result)) if isawaitable(result) else result

    async def finish(self, deferred: Deferred) -> None:
        """Run deferred work on the event loop of the process, from any event loop."""
        await self.loop.join(deferred.finish_async())

    # --- a live request, on the server's event loop ----------------------------------------------

    async def serve_lifespan(self, receive: Receive, send: Send) -> None:
        """Answer the lifespan of an ASGI server; a wrong limit of WSGI applications stops it."""
        wrong = ""
        try:
            for mount in self._router:
                if mount.interface == "wsgi":
                    self._bridge(mount)
        except ValueError as error:
            wrong = str(error)
        if wrong:  # outside of the handler: what a server raises would name the error twice
            await receive()
            await send({"type": "lifespan.startup.failed", "message": wrong})
        else:
            await self.lifespans.serve(receive, send)

    def read(self, scope: Scope, deployment: Deployment) -> Request:
        """Return the request of a live HTTP or WebSocket scope."""
        live = self._live
        if live is None:
            from .live_requests import LiveRequest  # events do without it

            live = self._live = LiveRequest
        return live(scope, deployment)

    async def serve(
        self,
        mount: Mount,
        request: Request,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        raising: bool,
    ) -> None:
        """Answer a live request; a failure before the response has started is a plain 500.

        Raises:
            asyncio.CancelledError: The server has cancelled this.
            ApplicationAborted: The application ended with what no `except Exception` catches, after
                the response had started or if `raising`.
        """
        current_request_var.set(request)  # for this task, in which nothing else is answered
        if scope["type"] != "http":
            scope = self._live_scope(mount, request, scope)
            await isolated(_run(mount.app, scope, receive, checking(send)))
            return
        response: WatchedResponse | Client | None = None
        try:
            if mount.interface == "wsgi":
                bridge = self._bridge(mount)
                response = bridge.client(receive, send)
                await bridge.answer(request, request.root_path + mount.prefix, response)
                return
            scope = self._live_scope(mount, request, scope)
            response = WatchedResponse(receive, send)
            await isolated(response.run(partial(mount.app, scope)))
        except Exception as error:
            from .disconnects import ClientGone

            if isinstance(error, ClientGone):
                _log.debug("%r ended early: %s", request, error)
                return
            if raising or (response is not None and response.started):
                raise
            _log.exception("%r failed.", request)
            await send_response(Response.plain(500, "Internal Server Error"), send)

    def _live_scope(self, mount: Mount, request: Request, scope: Scope) -> Scope:
        fields = scope.get("headers")
        if type(fields) is list and [name for name, _ in fields].count(b"cookie") < 2:
            fields = fields.copy()  # the application may change it, and the request is read late
        elif isinstance(fields, (list, tuple)) and len(fields) == len(request.headers):
            fields = list(fields)
        else:  # an iterator, which reading uses up, or cookies that are joined
            fields = request.headers.encoded()
        state = dict(scope.get("state") or _NO_STATE)
        state.update(self._states.get(mount, _NO_STATE))
        state["unigate"] = request
        # Stores into a copy take half the time of a literal with the scope in it.
        live = dict(scope)
        live["headers"] = fields
        live["root_path"] = request.root_path + mount.prefix
        live["path"] = request.path
        live["raw_path"] = request.raw_path
        live["state"] = state
        live["unigate.request"] = request
        return live

    def _bridge(self, mount: Mount) -> WSGIBridge:
        bridge = self._bridges.get(mount)
        if bridge is None:
            from .wsgi_applications import WSGIBridge  # events do without it

            bridge = self._bridges[mount] = WSGIBridge(mount.app)
        return bridge

    def as_wsgi(self, mount: Mount, *, raising: bool) -> WSGIApp:
        """Return an ASGI application for a WSGI server; the environ must hold our request."""
        from .wsgi_servers import asgi_to_wsgi  # other hosts do without it

        async def run(environ: Environ, receive: Receive, send: Send) -> None:
            if not self.lifespans.started:
                await self.lifespans.start()
            request: Request = environ["unigate.request"]
            current_request_var.set(request)
            await mount.app(self.scope_of(mount, request), receive, send)

        self._stop_at_exit()
        return asgi_to_wsgi(run, self.loop.in_thread(), raising=raising)


async def _await(result: Awaitable[Any]) -> Any:
    return await result


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
