"""`wrap()` and the Gateway: one object with a door for every host."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from . import background, wsgi
from .applications import Applications
from .context import event_host_var
from .deployment import Deployment
from .errors import InvalidEvent, LifespanFailed, failure_of
from .events import (
    EventSource,
    find_source,
    name_of,
    parse_event,
    source_named,
    unknown_event,
    unreadable_event,
)
from .events.handlers import EventHandler, EventHandlers, Handler
from .events.replies import write_reply
from .http import Response, reason_phrase
from .interfaces import COROUTINE
from .request import Request
from .routing import Mount
from .types import Environ, Receive, Scope, Send, StartResponse

if TYPE_CHECKING:
    from .asgi.lifespan import Mode
    from .asgi.runtime import ASGIRuntime
    from .cache import Backend
    from .client.providers import Provider
    from .placement import Placement, Stage

_log = logging.getLogger("unigate")


class Gateway:
    """An application, or several under path prefixes, for every host. `wrap` makes it.

    Hosts call its doors: `asgi`, `wsgi`, `lambda_handler`, `handle`, `google`, `azure`. Calling the
    object itself chooses one of the first three by the arguments.

    Tools use `mounts`, `route`, `load`, `start`, `stop`, `find_source` and `wrap_sources`. A host
    of your own calls `find_source`, then `answer`, or `notify` for an event without a source; one
    that runs applications itself calls `read`, `recover`, `unigate.events.replies.write_reply` and
    `Request.finish`. They all take events that `unigate.events.parse_event` has parsed.

    Attributes:
        around: The decorators around the handling of events, the outermost first.
        deployment: The platform, proxies and cache, as the deployer names them.
        base_path: The prefix that the host leaves on the path, with a "/" at its start, or "".
        raising: Whether failures of the application are raised (`on_error="raise"`).
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
        public_url: str | None = None,
        stage: Stage = "auto",
        text_types: Iterable[str] | None = (),
        around: Iterable[Callable[[EventHandler], EventHandler]] = (),
        on_error: Literal["respond", "raise"] = "respond",
    ) -> None:
        _check_choice("interface", interface, (None, "asgi", "wsgi"))
        _check_choice("stage", stage, ("auto", "keep", "strip", "ignore"))
        _check_choice("lifespan", lifespan, ("auto", "on", "off"))
        _check_choice("on_error", on_error, ("respond", "raise"))
        self._applications = Applications(application, mounts, interface, base_path)
        self.base_path = self._applications.base_path
        self.deployment = Deployment(platform, trusted_proxies, cache, text_types=text_types)
        self._place: Placement | None = None
        if public_url is not None or stage != "auto" or self.deployment.names_origin:
            from .placement import Placement  # most gateways do without it

            self._place = Placement(self.deployment, public_url, stage, self.base_path)
        self.raising = on_error == "raise"
        self._lifespan: Mode = lifespan
        self._sources = tuple(sources)
        self._source = source_named(source, self._sources) if source is not None else None
        self._source_wrapper: Callable[[EventSource], EventSource] | None = None
        self._handlers = EventHandlers()
        self._lock = threading.Lock()
        self._runtime: ASGIRuntime | None = None
        # Servers look at `app.__call__` to recognise ASGI; Python calls `type(app).__call__`.
        vars(self)["__call__"] = self.asgi
        # What decorators of Lambda handlers read of the function that they get.
        self.__name__ = "lambda_handler"
        self.__qualname__ = "Gateway.lambda_handler"
        if callable(around):
            raise TypeError(f"around must be a list of decorators, got {around!r}.")
        self.around = tuple(around)
        if self.around:
            vars(self)["lambda_handler"] = self._surrounded()

    def __repr__(self) -> str:
        return f"<unigate.Gateway around {self._applications!r}>"

    def on_event(self, kind: str, **filters: str) -> Callable[[Handler], Handler]:
        """Register a function for non-HTTP events; what it returns is the reply.

        The function is called with (event, context). An asynchronous one runs on the event loop of
        the ASGI applications, after their start-up. An event without a function raises
        UnknownEvent, because any reply would mean success; only a warm-up is answered at once.

        A function whose first parameter is annotated with an event class of Powertools, such as
        `SQSEvent`, gets the event as that class.

        Args:
            kind: A name of `unigate.events.kinds.NAMES`, such as "sqs", or "*" for every event
                without a function of its own. "schedule" falls back to "eventbridge". "manage" is
                `{"manage": "..."}`, which whoever may invoke the function can send.
            filters: What the events must have, by the names of `unigate.events.filters.FILTERS`:
                `queue="orders"`. Of several functions, the first whose filters match is called;
                one without filters is called for the rest.

        Raises:
            TypeError: The kind has no such filter, its value is not text, or the function cannot be
                called with (event, context).
            ValueError: The kind is unknown, a filter is empty, or a function with the same filters
                is registered already.
        """
        return self._handlers.register(kind, filters)

    # --- the doors -------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Choose the door: WSGI (environ, start_response), an event (event, context), or ASGI.

        The context of an event may be left out, and both may be named.

        Raises:
            TypeError: The arguments are those of no door.
        """
        if len(args) == 2 and not kwargs:
            if isinstance(args[0], dict) and "wsgi.version" in args[0]:
                return self.wsgi(*args)
        elif len(args) + len(kwargs) == 3 and kwargs.keys() <= {"scope", "receive", "send"}:
            return self.asgi(*args, **kwargs)
        elif not _is_event_call(args, kwargs):
            raise TypeError(_wrong_call(args, kwargs))
        caller = sys._getframe(1)
        if caller.f_code.co_flags & COROUTINE:
            from .signatures import is_awaiting

            if is_awaiting(caller):
                raise TypeError(
                    "The reply to an event cannot be awaited. Within an event loop, call "
                    "`await app.handle(event, context)`."
                )
        return self.lambda_handler(*args, **kwargs)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI server: HTTP, WebSocket and lifespan."""
        if scope["type"] == "lifespan":
            await self.runtime.serve_lifespan(receive, send)
            return
        request = Request.from_scope(scope)
        request.deployment = self.deployment
        if self._place is not None and self._place(request):
            scope = {
                **scope,
                "scheme": request.scheme,
                "server": request.server,
                "headers": request.headers.encoded(),
            }
        mount = self.route(request)
        if mount is not None and (mount.interface == "asgi" or scope["type"] == "http"):
            serve = self.runtime.serve
            try:
                await serve(mount, request, scope, receive, send, raising=self.raising)
            finally:
                await request.finish_async()
        elif scope["type"] == "http":
            from .asgi.driver import send_response

            await send_response(_not_found(), send)
        else:
            _log.warning("%r refused: no ASGI application is mounted for its WebSocket.", request)
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    def wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI server."""
        request = Request.from_environ(environ)
        request.deployment = self.deployment
        if self._place is not None and self._place(request):
            environ = wsgi.moved(environ, request)
        mount = self.route(request)
        if mount is None:
            return wsgi.respond(_not_found(), start_response)
        environ = wsgi.mounted(environ, request, request.root_path + mount.prefix)
        app = mount.app
        if mount.interface == "asgi":
            app = self.runtime.as_wsgi(mount)
        recover = partial(self._recover_live, request=request)
        return wsgi.serve(app, environ, start_response, request, recover)

    def lambda_handler(self, event: Any, context: Any = None) -> Any:
        """Answer an event of AWS Lambda, or of any platform that passes a dict."""
        if type(event) is not dict:
            event = parse_event(event)
        host = event_host_var.get()
        if host is not None:
            return host(self, event, context)
        source = find_source(event, self._sources, self._source)
        if source is not None:
            if self._source_wrapper is not None:
                source = self._source_wrapper(source)
            return self.answer(source, event, context)
        with background.deferring(context) as deferred:
            try:
                result = self.notify(event, context)
                if hasattr(result, "__await__"):
                    result = self.runtime.run_started(result)
                return result
            finally:
                deferred.finish()

    def _surrounded(self) -> EventHandler:
        """Return what handles events, with the decorators around it."""

        def lambda_handler(event: Any, context: Any = None) -> Any:
            return Gateway.lambda_handler(self, event, context)

        # Some decorators take nothing but a function, Powertools' `lambda_handler_decorator` for
        # one, and some keep state: each gets this function, once.
        handler: EventHandler = lambda_handler
        for decorator in reversed(self.around):
            handler = decorator(handler)
            if not callable(handler):
                raise TypeError(
                    f"A decorator in `around` must return a function, {decorator!r} returned "
                    f"{handler!r}."
                )
        return handler

    async def handle(self, event: Any, context: Any = None) -> Any:
        """Answer an event from within a running event loop, without blocking it."""
        if self.around or event_host_var.get() is not None:
            import asyncio

            return await asyncio.to_thread(self.lambda_handler, event, context)
        if type(event) is not dict:
            event = parse_event(event)
        source = self.find_source(event)
        if source is None:
            with background.deferring(context) as deferred:
                try:
                    return await self.runtime.call_handler(partial(self.notify, event, context))
                finally:
                    await self.runtime.finish(deferred)
        request, mount, response = self.read(source, event, context)
        if mount is not None:
            try:
                response = await self.runtime.answer_async(mount, request, self.raising)
            except Exception as error:
                response = self.recover(error, request)
            finally:
                work = request.mark_answered()
                if work is not None:
                    await self.runtime.finish(work)
        assert response is not None
        return write_reply(source, event, request, response)

    def google(self, request: Any) -> Any:
        """Answer `functions_framework`: Flask's request, or Starlette's under its `aio`."""
        from .events import google

        if hasattr(request, "scope"):
            return google.answer_async(self._asgi_without_lifespan, request)
        return google.answer(self.wsgi, request)

    def azure(self, request: Any, context: Any = None) -> Any:
        """Answer Azure Functions: its `HttpRequest`, or Starlette's with HTTP streams."""
        from .events import azure

        if hasattr(request, "scope"):
            return azure.answer_streaming(self._asgi_without_lifespan, request, context)
        return self.answer(azure, request, context)

    async def _asgi_without_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a host that sends no lifespan: applications start with the first request."""
        await self.runtime.lifespans.start()
        await self.asgi(scope, receive, send)

    # --- for tools and hosts ---------------------------------------------------------------------

    @property
    def mounts(self) -> list[Mount]:
        """The applications and their prefixes, the root first; loads import strings."""
        return list(self._applications.load())

    def route(self, request: Request) -> Mount | None:
        """Return the mount for a request; the base path becomes part of its root path."""
        return self._applications.find(request)

    def load(self) -> None:
        """Load the applications that are import strings, instead of at the first request."""
        self._applications.load()

    @property
    def runtime(self) -> ASGIRuntime:
        """What runs ASGI applications in this process: made at first use, and after a fork."""
        runtime = self._runtime
        if runtime is None or runtime.loop.left_behind:
            from .asgi.runtime import ASGIRuntime

            router = self._applications.load()
            with self._lock:
                if self._runtime is runtime:
                    self._runtime = ASGIRuntime(router, self._lifespan)
                runtime = self._runtime
        assert runtime is not None
        return runtime

    def start(self) -> None:
        """Load the applications and run their start-up, instead of at the first request."""
        if any(mount.interface == "asgi" for mount in self.mounts):
            self.runtime.start()

    def stop(self) -> None:
        """Run the shutdown of the applications that were started in this process."""
        if self._runtime is not None:
            self._runtime.stop()

    def find_source(self, event: Any) -> EventSource | None:
        """Return the source that reads an event, or None for a non-HTTP event."""
        source = find_source(event, self._sources, self._source)
        if source is not None and self._source_wrapper is not None:
            return self._source_wrapper(source)
        return source

    def wrap_sources(self, wrapper: Callable[[EventSource], EventSource]) -> None:
        """Read events and write replies through what `wrapper` makes of their source.

        A tool can see and time both steps that way. A later call replaces the wrapper. Requests at
        the doors `google` and `azure` have no event and are not wrapped.
        """
        self._source_wrapper = wrapper

    def answer(
        self,
        source: EventSource,
        event: Any,
        context: Any,
        run: Callable[[Mount, Request], Response] | None = None,
        finish: Callable[[Request], object] | None = None,
    ) -> Any:
        """Answer an event: read it, run the application, finish deferred work, write the reply.

        Args:
            source: The source of the event, as `find_source` returns it.
            event: The parsed event.
            context: The context object of the platform, or None.
            run: Runs the application in place of this gateway.
            finish: Called when the application has answered, in place of `Request.finish`.

        Returns:
            The reply in the format of the source.

        Raises:
            UnknownEvent: If the source cannot read the event.
        """
        # What `read` and `Request.finish` do stands here again: as calls, they take 2 % of the time
        # of a small event.
        try:
            request = source.to_request(event, context)
        except Exception as error:
            refused = _refusal(error, source, event)
            return source.to_reply(refused, event)
        request.deployment = self.deployment
        if self._place is not None:
            self._place(request)
        mount = self._applications.only or self.route(request)
        if mount is None:
            return write_reply(source, event, request, _not_found())
        try:
            if run is not None:
                response = run(mount, request)
            elif mount.interface == "wsgi":
                response = wsgi.call(mount.app, request, request.root_path + mount.prefix)
            else:
                response = self.runtime.answer(mount, request, self.raising)
        except BaseException as error:
            response = self.recover(error, request)
        finally:
            if finish is not None:
                finish(request)
            else:
                request.answered = True
                if request.deferred is not None:
                    request.deferred.finish()
        return write_reply(source, event, request, response)

    def read(
        self, source: EventSource, event: Any, context: Any
    ) -> tuple[Request, Mount | None, Response | None]:
        """Read an event, and find the application that answers it.

        Returns:
            The request and the mount of the application. Without a mount the third is the
            response: the event was refused, or no application has its path.
        """
        try:
            request = source.to_request(event, context)
        except Exception as error:
            request = Request("GET", source=name_of(source), event=event, context=context)
            return request, None, _refusal(error, source, event)
        request.deployment = self.deployment
        if self._place is not None:
            self._place(request)
        mount = self._applications.only or self._applications.find(request)
        return request, mount, None if mount is not None else _not_found()

    def recover(self, error: BaseException, request: Request) -> Response:
        """Log a failure of the application and return a plain 500.

        With `on_error="raise"` it is raised instead, for the platform to count; so are in any case
        a LifespanFailed, and what must end the process. A BaseException that must not, such as a
        cancellation that no host asked for, counts as ApplicationAborted.
        """
        if isinstance(error, LifespanFailed):
            raise error
        return self._recover_live(error, request)

    def _recover_live(self, error: BaseException, request: Request) -> Response:
        """Do what `recover` does for a server, which would count nothing."""
        failure = failure_of(error)
        if self.raising or not isinstance(failure, Exception):
            raise failure
        _log.error("%r failed.", request, exc_info=failure)
        return Response.plain(500, "Internal Server Error")

    def notify(self, event: Any, context: Any) -> Any:
        """Call the handler of a non-HTTP event, and return its result.

        That is an awaitable for an asynchronous handler: `runtime.run_started` awaits it. Call this
        within `unigate.background.deferring`, which keeps what `wait_until` is given.

        Raises:
            UnknownEvent: If no handler is registered for the event.
            ApplicationAborted: If it ended with what no `except Exception` catches.
        """
        handler = self._handlers.find(event)
        if handler is None:
            raise unknown_event(event, self._sources, self._handlers.filtered(event))
        try:
            return handler(event, context)
        except BaseException as error:
            if (failure := failure_of(error)) is not error:
                raise failure from error
            raise


def _is_event_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return True for a call with an event alone, or with a context by its name."""
    names = [*("event" for _ in args), *kwargs]
    if sorted(names) not in (["event"], ["context", "event"]):
        return False
    event = args[0] if args else kwargs["event"]
    return not (isinstance(event, Mapping) and "asgi" in event)  # ASGI 2 calls with a scope alone


def _wrong_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    got = [*(type(value).__name__ for value in args), *(f"{name}=" for name in kwargs)]
    return (
        "A gateway must be called with (event, context), (event), (environ, start_response) or "
        f"(scope, receive, send), got ({', '.join(got)}). Within an event loop, call `await "
        "app.handle(event, context)`."
    )


def _not_found() -> Response:
    return Response.plain(404, "Not Found")


def _refusal(error: Exception, source: EventSource, event: Any) -> Response:
    """Return the response to an event that its source cannot read, or raise UnknownEvent."""
    if isinstance(error, InvalidEvent):
        _log.warning("Event refused: %s", error)
        return Response.plain(error.status, reason_phrase(error.status))
    if isinstance(error, (AttributeError, KeyError, RecursionError, TypeError, ValueError)):
        raise unreadable_event(source, event, error) from error
    raise error


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {choices}, got {value!r}.")


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
    public_url: str | None = None,
    stage: Stage = "auto",
    text_types: Iterable[str] | None = (),
    around: Iterable[Callable[[EventHandler], EventHandler]] = (),
    on_error: Literal["respond", "raise"] = "respond",
) -> Gateway:
    """Turn a WSGI or ASGI application, or several, into one object that every host can run.

    Args:
        application: The application at the root: WSGI or ASGI, an import string
            ("package.module:attribute", loaded at first use), or a factory without parameters.
        mounts: Applications by path prefix ("/v2"). The longest prefix wins, in whole segments.
        interface: "asgi" or "wsgi", if that of the root application cannot be determined.
        lifespan: "auto" runs the lifespan of applications that support it, "on" requires it, "off"
            never runs it.
        base_path: A prefix that the host leaves on the path, such as a custom domain's mapping.
        source: The name of the event source. Default: recognised by the shape of each event.
        sources: Event sources of your own (`unigate.events.EventSource`), tried first.
        platform: The platform in front ("cloudflare", "cloudfront", ...), whose headers are
            trusted. Default: UNIGATE_PLATFORM, else the platform that runs this.
        trusted_proxies: Your own proxies in front: their number, or addresses and ranges
            ("private, 203.0.113.0/24"). They name the client and the host that it asked for.
        cache: The runtime cache: a URL ("redis://...", "memory://") or a backend.
        public_url: The URL at which clients see the root of the applications, with its path, where
            a CDN or a proxy hides it: "https://www.example.com". Links and redirects begin with it.
        stage: What a named stage of API Gateway is to clients. "auto" decides by the event, "keep"
            has it in links, "strip" has it neither in links nor in the application's path, and
            "ignore" takes a path that begins with its name for the application's own.
        text_types: Media types of responses that are text beside the known ones, such as
            "application/vnd.my": platforms that take text or base64 get them as text.
        around: Decorators of Lambda handlers, such as Powertools' `tracer.capture_lambda_handler`,
            the outermost first. They see events and replies, not requests of servers.
        on_error: "respond" logs a failure of the application and answers a plain 500, "raise" lets
            the platform count it.

    Raises:
        UnknownInterface: If an object is neither a WSGI nor an ASGI application.
        TypeError: Without an application and mounts, or for a decorator that returns no function.
        ValueError: For any other wrong argument.
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
        public_url=public_url,
        stage=stage,
        text_types=text_types,
        around=around,
        on_error=on_error,
    )
