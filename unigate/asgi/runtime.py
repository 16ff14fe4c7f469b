"""The ASGI side of a gateway in this process: lifespans, bridges to WSGI, the event loop.

Apart from the gateway, so that answering a WSGI application's events never imports asyncio, and
because none of it survives a fork.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from unigate import wsgi
from unigate.background import finish_async
from unigate.context import current_request_var
from unigate.errors import IncompleteResponse
from unigate.http import Response
from unigate.loop import at_exit, process_loop
from unigate.request import Request
from unigate.routing import Mount, Router
from unigate.types import ASGIApp, Message, Receive, Scope, Send, WSGIApp

from . import driver as exchange
from .lifespan import Lifespan, Lifespans, Mode

_log = logging.getLogger("unigate")


_NO_STATE: dict[str, Any] = {}


class Running:
    """What runs for one gateway in one process."""

    def __init__(self, router: Router, mode: Mode) -> None:
        self.loop = process_loop()
        lifespans: dict[Mount, Lifespan] = {}
        if mode != "off":
            lifespans = {
                mount: Lifespan(mount.app, mode) for mount in router if mount.interface == "asgi"
            }
        self.lifespans = Lifespans(list(lifespans.values()))
        self._states = {mount: lifespan.state for mount, lifespan in lifespans.items()}
        self._watching_exit = False
        self._asgi: dict[Mount, ASGIApp] = {}
        self._wsgi: dict[Mount, WSGIApp] = {}

    # --- a request in memory, on the loop of this process ----------------------------------------

    def answer(self, mount: Mount, request: Request, raising: bool) -> Response:
        """Run an ASGI application for a request, from any thread."""
        if not self._watching_exit:
            self._watch_exit()
        return self.loop.run(self._answer(mount, request, raising))

    async def answer_async(self, mount: Mount, request: Request, raising: bool) -> Response:
        """Run an application for a request, from any event loop."""
        if mount.interface == "wsgi":
            return await asyncio.to_thread(
                wsgi.call, mount.app, request, request.root_path + mount.prefix
            )
        if not self._watching_exit:
            self._watch_exit()
        return await self.loop.join(self._answer(mount, request, raising))

    async def _answer(self, mount: Mount, request: Request, raising: bool) -> Response:
        if not self.lifespans.started:
            await self.lifespans.start()
        state = self._states.get(mount, _NO_STATE)
        scope = exchange.build_scope(request, request.root_path + mount.prefix, state)
        turn = exchange.Exchange(request.body)
        token = current_request_var.set(request)
        try:
            await mount.app(scope, turn.receive, turn.send)
        except Exception:
            if raising or not turn.complete:
                raise
            _log.exception("%r failed after it was answered.", request)
        finally:
            current_request_var.reset(token)
        return turn.whole()

    async def finish_deferred(self, request: Request) -> None:
        """Do what was deferred, from any event loop, on that of the applications."""
        await self.loop.join(finish_async(request))

    # --- an event that is no request -------------------------------------------------------------

    def finish(self, result: Awaitable[Any]) -> Any:
        """Wait for what an asynchronous handler returned, from any thread."""
        return self.loop.run(self._finish(result))

    async def notify(self, call: Callable[[], Any]) -> Any:
        """Call a handler from any event loop without blocking that."""
        result = await asyncio.to_thread(call)
        return await self.loop.join(self._finish(result)) if isawaitable(result) else result

    async def _finish(self, result: Awaitable[Any]) -> Any:
        if not self._watching_exit:
            self._watch_exit()
        if not self.lifespans.started:
            await self.lifespans.start()
        return await result

    # --- a live request, on the server's loop ----------------------------------------------------

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
        """Answer a connection; a failure before the response started is a plain 500."""
        scope = {
            "headers": [],
            **scope,
            "root_path": request.root_path + mount.prefix,
            "path": request.path,
            "raw_path": request.raw_path,
            "state": {
                **(scope.get("state") or {}),
                **self._states.get(mount, _NO_STATE),
                "unigate": request,
            },
            "unigate.request": request,
        }
        if len(request.headers) != len(scope["headers"]):  # cookies were joined
            scope["headers"] = exchange.build_headers(request)
        current_request_var.set(request)  # for this task, which is the connection's own
        if scope["type"] != "http":
            await mount.app(scope, receive, send)
            return
        live = _Live(receive, send)
        try:
            await live.run(self._as_asgi(mount), scope)
        except Exception:
            if raising or live.started:
                raise
            _log.exception("%r failed.", request)
            await exchange.send_response(Response.plain(500, "Internal Server Error"), send)

    def _as_asgi(self, mount: Mount) -> ASGIApp:
        if mount.interface == "asgi":
            app: ASGIApp = mount.app
            return app
        if mount not in self._asgi:
            self._asgi[mount] = wsgi.bridge(mount.app)
        return self._asgi[mount]

    def as_wsgi(self, mount: Mount, *, raising: bool) -> WSGIApp:
        """Return an ASGI application for a WSGI server; the environ must hold our request."""
        if mount not in self._wsgi:

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                if not self.lifespans.started:
                    await self.lifespans.start()
                request: Request = scope["wsgi_environ"]["unigate.request"]
                scope = exchange.build_scope(request, "", {})
                await self.serve(mount, request, scope, receive, send, raising=True)

            loop = self.loop.in_thread()
            self._wsgi[mount] = exchange.as_wsgi(app, loop, raising=raising)
        if not self._watching_exit:
            self._watch_exit()
        return self._wsgi[mount]

    # --- the end ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the applications that were started for this process's own loop."""
        if self.lifespans.started and not self.loop.left_behind:
            self.loop.run_last(self.lifespans.stop())

    def _watch_exit(self) -> None:
        self._watching_exit = True
        at_exit(self.stop)


class _Live:
    """A live request, watched for whether it is answered."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.started = self._ended = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self.receive, self.send)
        if not self._ended:
            what = "unfinished" if self.started else "none"
            raise IncompleteResponse(f"The application returned and its response is {what}.")

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True  # nobody waits for an answer
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.check_start(message)
            self.started = True
        elif not message.get("more_body", False):
            self._ended = True
        await self._send(message)
