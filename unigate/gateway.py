"""`wrap()` and the Gateway: one object with a door for every host."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import background, interfaces, wsgi
from .deployment import Deployment
from .errors import InvalidEvent, LifespanFailed
from .events import (
    EventSource,
    find_source,
    kind_of,
    kinds,
    name_of,
    parse_event,
    source_named,
    unknown_event,
)
from .events.replies import write_reply
from .http import Response, reason_phrase, remove_path_prefix
from .request import Request
from .routing import Mount, Router, check_prefixes
from .types import Environ, Receive, Scope, Send, StartResponse

if TYPE_CHECKING:
    from .asgi.lifespan import Mode
    from .asgi.runtime import Running
    from .cache import Backend
    from .client.providers import Provider

_log = logging.getLogger("unigate")

Handler = TypeVar("Handler", bound=Callable[[Any, Any], Any])


class Gateway:
    """An application, or several under path prefixes, for every host.

    Named doors do the work (`asgi`, `wsgi`, `lambda_handler`, `handle`); calling the object only
    chooses one by what it is called with. `wrap` makes it.
    """

    def __init__(
        self,
        application: Any = None,
        *,
        mounts: Mapping[str, Any] | None = None,
        interface: Literal["asgi", "wsgi"] | None = None,
        lifespan: Mode = "auto",
        base_path: str | None = None,
        source: str | None = None,
        sources: Iterable[EventSource] = (),
        platform: str | Provider | None = None,
        trusted_proxies: int | str | Sequence[str] | None = None,
        cache: str | Backend | None = None,
        on_error: Literal["respond", "raise"] = "respond",
    ) -> None:
        self._applications = dict(mounts or {})
        check_prefixes(self._applications)
        if application is not None:
            self._applications = {"": application, **self._applications}
        if not self._applications:
            raise TypeError("wrap() takes an application, mounts, or both.")
        _check("interface", interface, (None, "asgi", "wsgi"))
        _check("lifespan", lifespan, ("auto", "on", "off"))
        _check("on_error", on_error, ("respond", "raise"))
        self._interface = interface
        self._lifespan: Mode = lifespan
        self._base_path = f"/{base_path.strip('/')}" if base_path and base_path != "/" else ""
        self._sources = tuple(sources)
        self._source = None
        if source is not None:
            self._source = source_named(source, self._sources)
        self._handlers: dict[str | None, Callable[[Any, Any], Any]] = {}
        self._raising = on_error == "raise"
        self._deployment = Deployment(platform, trusted_proxies, cache)
        self._lock = threading.Lock()
        self._loaded: Router | None = None
        self._only: Mount | None = None  # where there is nothing to find out
        self._live: Running | None = None
        if not any(isinstance(app, str) for app in self._applications.values()):
            self._load()
        # Servers look at `app.__call__` to recognise ASGI; Python calls `type(app).__call__`.
        vars(self)["__call__"] = self.asgi

    def __repr__(self) -> str:
        return f"<unigate.Gateway around {', '.join(map(repr, self._applications.values()))}>"

    @property
    def base_path(self) -> str:
        """The prefix that the platform leaves on the path, such as "/api"; "" for none."""
        return self._base_path

    @property
    def deployment(self) -> Deployment:
        """The platform, trusted proxies and cache that requests are read with."""
        return self._deployment

    def on_event(self, kind: str) -> Callable[[Handler], Handler]:
        """Register a function for events that are no HTTP request; what it returns is the reply.

        kind: "authorizer", "cognito", "dynamodb", "eventbridge", "kafka", "kinesis", "s3",
            "schedule" (else it goes to "eventbridge"), "ses", "sns", "sqs", "warmup", "websocket",
            or "*" for every event that nothing else takes.

        The function is called with (event, context). An asynchronous one runs on the loop of the
        ASGI applications, after their start-up. An event without a function raises UnknownEvent,
        because any answer would mean success; only a warm-up is answered at once.
        """
        _check("kind", kind, (*kinds.NAMES, "*"))

        def register(handler: Handler) -> Handler:
            self._handlers[kind] = handler
            return handler

        return register

    # --- the doors -------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Choose the door: WSGI (environ, start_response), an event (event, context), or ASGI."""
        if len(args) == 2 and not kwargs:
            if isinstance(args[0], dict) and "wsgi.version" in args[0]:
                return self.wsgi(*args)
            return self.lambda_handler(*args)
        return self.asgi(*args, **kwargs)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI server: HTTP, WebSocket and lifespan."""
        from .asgi.driver import send_response

        if scope["type"] == "lifespan":
            await self._running.lifespans.serve(receive, send)
            return
        request = Request.from_scope(scope)
        request.deployment = self._deployment
        mount = self._route(request)
        if mount is not None and (mount.interface == "asgi" or scope["type"] == "http"):
            serve = self._running.serve
            try:
                await serve(mount, request, scope, receive, send, raising=self._raising)
            finally:
                request.answered = True
                if request.deferred:
                    await background.finish_async(request)
        elif scope["type"] == "http":
            await send_response(Response.plain(404, "Not Found"), send)
        else:
            _log.warning("%r refused: no ASGI application is there for a WebSocket.", request)
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    def wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI server."""
        request = Request.from_environ(environ)
        request.deployment = self._deployment
        mount = self._route(request)
        if mount is None:
            return _respond(Response.plain(404, "Not Found"), start_response)
        environ = wsgi.mounted(environ, request, request.root_path + mount.prefix)
        app = mount.app
        if mount.interface == "asgi":
            app = self._running.as_wsgi(mount, raising=self._raising)
        try:
            return wsgi.serve(app, environ, start_response, request)
        except Exception as error:
            return _respond(self._recover(error, request), start_response)

    def lambda_handler(self, event: Any, context: Any = None) -> Any:
        """Answer an event: AWS Lambda's, or of any platform that passes a dict."""
        if type(event) is not dict:
            event = parse_event(event)
        source = find_source(event, self._sources, self._source)
        if source is None:
            with background.keeping(event, context) as kept:
                try:
                    result = self._notify(event, context)
                    return self._running.finish(result) if hasattr(result, "__await__") else result
                finally:
                    background.finish(kept)
        return self._answer(source, event, context)

    def google(self, request: Any) -> Any:
        """Answer `functions_framework`: Flask's request, or Starlette's under its `aio`."""
        from .events import google

        if hasattr(request, "scope"):
            return google.answer_async(self._without_lifespan, request)
        return google.answer(self.wsgi, request)

    def azure(self, request: Any, context: Any = None) -> Any:
        """Answer Azure Functions: its `HttpRequest`, or Starlette's of its HTTP streaming."""
        from .events import azure

        if hasattr(request, "scope"):
            return azure.answer_streaming(self._without_lifespan, request, context)
        return self._answer(azure, request, context)

    def _answer(self, source: EventSource, event: Any, context: Any) -> Any:
        try:  # what `_read` does, without another call
            request = source.to_request(event, context)
        except Exception as error:
            return source.to_reply(_refusal(error, event), event)
        request.deployment = self._deployment
        mount = self._only or self._route(request)
        if mount is None:
            return write_reply(source, event, request, Response.plain(404, "Not Found"))
        try:
            if mount.interface == "wsgi":
                response = wsgi.call(mount.app, request, request.root_path + mount.prefix)
            else:
                running = self._live  # a property takes longer
                if running is None or running.loop.left_behind:
                    running = self._running
                response = running.answer(mount, request, self._raising)
        except Exception as error:
            response = self._recover(error, request)
        finally:
            request.answered = True
            if request.deferred:
                background.finish(request)
        return write_reply(source, event, request, response)

    async def handle(self, event: Any, context: Any = None) -> Any:
        """Answer an event from within a running event loop, without blocking it."""
        if type(event) is not dict:
            event = parse_event(event)
        source = find_source(event, self._sources, self._source)
        if source is None:
            with background.keeping(event, context) as kept:
                try:
                    return await self._running.notify(partial(self._notify, event, context))
                finally:
                    await self._running.finish_deferred(kept)
        request, mount, response = self._read(source, event, context)
        if mount is not None:
            try:
                response = await self._running.answer_async(mount, request, self._raising)
            except Exception as error:
                response = self._recover(error, request)
            finally:
                request.answered = True
                if request.deferred:
                    await self._running.finish_deferred(request)
        return write_reply(source, event, request, response)

    async def _without_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a host that passes no lifespan on: applications start with the first request."""
        await self._running.lifespans.start()
        await self.asgi(scope, receive, send)

    # --- what they share -------------------------------------------------------------------------

    def _read(
        self, source: EventSource, event: Any, context: Any
    ) -> tuple[Request, Mount | None, Response]:
        """Read an event and find who answers it; the response counts where nobody does."""
        try:
            request = source.to_request(event, context)
        except Exception as error:
            request = Request("GET", source=name_of(source), event=event, context=context)
            return request, None, _refusal(error, event)
        request.deployment = self._deployment
        mount = self._only or self._route(request)
        return request, mount, Response.plain(404, "Not Found")

    def _notify(self, event: Any, context: Any) -> Any:
        """Pass an event that is no request to its handler; UnknownEvent where there is none."""
        kind = kind_of(event) if isinstance(event, dict) else None
        for name in (kind, "eventbridge" if kind == "schedule" else "*", "*"):
            if name in self._handlers:
                return self._handlers[name](event, context)
        if kind == "warmup":
            return {}
        raise unknown_event(event, self._sources)

    def _recover(self, error: Exception, request: Request) -> Response:
        """Log a failure and return what to answer, or raise it for the host to count."""
        if self._raising or isinstance(error, LifespanFailed):
            raise error
        _log.error("%r failed.", request, exc_info=error)
        return Response.plain(500, "Internal Server Error")

    def _route(self, request: Request) -> Mount | None:
        """Find the application of a request; the base path becomes part of its root path."""
        router = self._loaded or self._load()
        path = request.path
        if request.root_path:
            rest = remove_path_prefix(path, request.root_path)
            path = path if rest is None else rest
        if self._base_path:
            rest = remove_path_prefix(path, self._base_path)
            if rest is not None:
                request.root_path += self._base_path
                path = rest
        return router.match(path)

    def _load(self) -> Router:
        with self._lock:
            if self._loaded is None:
                mounts: dict[str, Mount] = {}
                for prefix, application in self._applications.items():
                    told = self._interface if prefix == "" else None
                    mounts[prefix] = Mount(prefix, *interfaces.load(application, told))
                root = mounts.pop("", None)
                self._only = root if not mounts and not self._base_path else None
                self._loaded = Router(root, mounts)
            return self._loaded

    @property
    def _running(self) -> Running:
        """What runs in this process, made at first use and again in the child of a fork."""
        running = self._live
        if running is None or running.loop.left_behind:
            from .asgi.runtime import Running

            router = self._loaded or self._load()
            with self._lock:
                if self._live is running:
                    self._live = Running(router, self._lifespan)
                running = self._live
        assert running is not None
        return running


def _refusal(error: Exception, event: Any) -> Response:
    """Return what to answer to an event that its source cannot read, or raise UnknownEvent."""
    if isinstance(error, InvalidEvent):
        _log.warning("Refused: %s", error)
        return Response.plain(error.status, reason_phrase(error.status))
    if isinstance(error, (AttributeError, KeyError, RecursionError, TypeError, ValueError)):
        raise unknown_event(event) from error
    raise error


def _respond(response: Response, start_response: StartResponse) -> list[bytes]:
    status = f"{response.status} {reason_phrase(response.status)}"
    start_response(status, response.headers.pairs, sys.exc_info() if sys.exception() else None)
    return [response.body]


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}.")


def wrap(
    application: Any = None,
    *,
    mounts: Mapping[str, Any] | None = None,
    interface: Literal["asgi", "wsgi"] | None = None,
    lifespan: Mode = "auto",
    base_path: str | None = None,
    source: str | None = None,
    sources: Iterable[EventSource] = (),
    platform: str | Provider | None = None,
    trusted_proxies: int | str | Sequence[str] | None = None,
    cache: str | Backend | None = None,
    on_error: Literal["respond", "raise"] = "respond",
) -> Gateway:
    """Turn a WSGI or ASGI application, or several, into one object that every host runs.

    application: the application at the root: WSGI or ASGI, an import string
        ("package.module:attribute", loaded at first use) or a factory without parameters.
    mounts: applications by path prefix ("/v2"); the longest prefix wins, whole segments only.
    interface: "asgi" or "wsgi" for the root application, where that cannot be told.
    lifespan: "auto" starts applications that have one, "on" insists, "off" does not ask.
    base_path: a prefix that the host leaves on the path, such as a custom domain's mapping.
    source: the name of the event source; without it, each event is recognised by its shape.
    sources: event sources of your own (`unigate.events.EventSource`), tried first.
    platform: the name of the platform in front ("cloudflare", "cloudfront" and so on), whose
        headers are believed; without it, only those of the platform that runs this.
    trusted_proxies: how many proxies of your own are in front, or their addresses and ranges.
    cache: where the runtime cache is: a URL ("redis://...", "memory://") or a backend.
    on_error: what an exception in the application becomes: "respond" logs it and answers a plain
        500, "raise" lets the host count it.

    Raises UnknownInterface for what is no application, ValueError for other wrong arguments.
    """
    return Gateway(
        application,
        mounts=mounts,
        interface=interface,
        lifespan=lifespan,
        base_path=base_path,
        source=source,
        sources=sources,
        platform=platform,
        trusted_proxies=trusted_proxies,
        cache=cache,
        on_error=on_error,
    )
