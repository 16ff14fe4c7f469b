"""`wrap()` and the Gateway: one object with a door for every host."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Never

from .applications import Applications
from .deployment import Deployment
from .event_gateway import EventGateway, not_found
from .interfaces import COROUTINE
from .request import Request

if TYPE_CHECKING:
    from .asgi.lifespan import Mode
    from .asgi.runtime import ASGIRuntime
    from .cache import Backend
    from .client.providers import Provider
    from .events.handlers import EventHandler
    from .events.source import EventSource
    from .placement import Placement, Stage
    from .routing import Mount
    from .types import Application, Environ, Receive, Scope, Send, StartResponse

_log = logging.getLogger("unigate")


class Gateway(EventGateway):
    """An application, or several under path prefixes, for every host. `wrap` makes it.

    Hosts call its doors: `asgi`, `wsgi`, `lambda_handler`, `handle`, `google`, `azure`. Calling the
    object itself chooses one of the first three by the arguments.

    Tools use `mounts`, `route`, `load`, `start`, `stop`, `event_functions`, `find_source` and
    `wrap_sources`. A host of your own calls `find_source`, then `answer`, or `notify` for an event
    without a source; one that runs applications itself calls `read`, `recover`,
    `unigate.events.replies.write_reply` and `Request.finish`. They all take events that
    `unigate.events.parse_event` has parsed.
    """

    def __init__(
        self,
        application: Application | None = None,
        *,
        mounts: Mapping[str, Application] | None = None,
        interface: Literal["asgi", "wsgi"] | None = None,
        lifespan: Mode = "auto",
        base_path: str | None = None,
        source: str | None = None,
        sources: Iterable[EventSource] | None = (),
        platform: str | Provider | None = None,
        trusted_proxies: int | str | Sequence[str] | None = None,
        cache: str | Backend | None = None,
        public_url: str | None = None,
        stage: Stage = "auto",
        text_types: Iterable[str] | None = (),
        around: Iterable[Callable[[EventHandler], EventHandler]] | None = (),
        on_error: Literal["respond", "raise"] = "respond",
    ) -> None:
        _check_choice("interface", interface, (None, "asgi", "wsgi"))
        _check_choice("stage", stage, ("auto", "keep", "strip", "ignore"))
        _check_choice("lifespan", lifespan, ("auto", "on", "off"))
        _check_choice("on_error", on_error, ("respond", "raise"))
        applications = Applications(application, mounts, interface, base_path, lifespan)
        deployment = Deployment(platform, trusted_proxies, cache, text_types=text_types)
        placement: Placement | None = None
        public_url = None if public_url == "" else public_url
        base_path = applications.base_path
        if public_url is not None or stage != "auto" or base_path or deployment.names_origin:
            from .placement import Placement  # most gateways do without it

            placement = Placement(deployment, public_url, stage, base_path)
        raising = on_error == "raise"
        super().__init__(
            applications,
            deployment,
            placement,
            source,
            _items_of("sources", "event sources", sources),
            _items_of("around", "decorators", around),
            raising=raising,
        )
        # Servers look at `app.__call__` to recognise ASGI; Python calls `type(app).__call__`.
        vars(self)["__call__"] = self.asgi
        # What decorators of Lambda handlers read of the function that they get.
        self.__name__ = "lambda_handler"
        self.__qualname__ = "Gateway.lambda_handler"

    def __repr__(self) -> str:
        return f"<unigate.Gateway around {self.applications!r}>"

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
        else:
            from .gateway_calls import is_event_call, wrong_call

            if not is_event_call(args, kwargs):
                raise TypeError(wrong_call(args, kwargs))
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
        runtime = self.applications.runtime
        if scope["type"] == "lifespan":
            await runtime.serve_lifespan(receive, send)
            return
        request = runtime.read(scope, self.deployment)
        if self.placement is not None and self.placement(request):
            scope = {
                **scope,
                "scheme": request.scheme,
                "server": request.server,
                "headers": request.headers.encoded(),
            }
        mount = self.applications.only or self.route(request)
        if mount is not None and (mount.interface == "asgi" or scope["type"] == "http"):
            try:
                await runtime.serve(mount, request, scope, receive, send, raising=self.raising)
            finally:
                deferred = request.mark_answered()
                if deferred is not None:
                    await deferred.finish_async()
        elif scope["type"] == "http":
            from .asgi.driver import send_response

            await send_response(not_found(), send)
        else:
            _log.warning("%r refused: no ASGI application is mounted for its WebSocket.", request)
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    def wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI server."""
        from . import wsgi_servers  # functions for events do without it

        request = Request.from_environ(environ)
        request.deployment = self.deployment
        if self.placement is not None and self.placement(request):
            environ = wsgi_servers.moved(environ, request)
        mount = self.route(request)
        if mount is None:
            return wsgi_servers.respond(not_found(), start_response)
        environ = wsgi_servers.mounted(environ, request, request.root_path + mount.prefix)
        app = mount.app
        if mount.interface == "asgi":
            app = self.applications.runtime.as_wsgi(mount, raising=self.raising)
        recover = partial(self.recover_live, request=request)
        return wsgi_servers.serve(app, environ, start_response, request, recover)

    def google(self, request: Any) -> Any:
        """Answer `functions_framework`: Flask's request, or Starlette's under its `aio`."""
        from .events import google

        if hasattr(request, "scope"):
            return google.answer_async(self._asgi_without_lifespan, request)
        return google.answer(self.wsgi, request)

    def azure(self, request: Any, context: object = None) -> Any:
        """Answer Azure Functions: its `HttpRequest`, or Starlette's with HTTP streams."""
        from .events import azure

        if hasattr(request, "scope"):
            return azure.answer_streaming(self._asgi_without_lifespan, request, context)
        return self.answer(azure, request, context)

    async def _asgi_without_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a host that sends no lifespan: applications start with the first request."""
        await self.applications.runtime.lifespans.start()
        await self.asgi(scope, receive, send)

    # --- for tools -------------------------------------------------------------------------------

    @property
    def mounts(self) -> list[Mount]:
        """The applications and their prefixes, the root first; loads import strings."""
        return list(self.applications.load())

    def route(self, request: Request) -> Mount | None:
        """Return the mount for a request; the base path becomes part of its root path."""
        return self.applications.find(request)

    def load(self) -> None:
        """Load the applications that are import strings, instead of at the first request."""
        self.applications.load()

    @property
    def runtime(self) -> ASGIRuntime:
        """What runs ASGI applications in this process: made at first use, and after a fork."""
        return self.applications.runtime

    def start(self) -> None:
        """Load the applications and run their start-up, instead of at the first request."""
        self.applications.start()

    def stop(self) -> None:
        """Run the shutdown of the applications that were started in this process."""
        self.applications.stop()


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        from .nearest import did_you_mean

        choices = ", ".join(map(repr, allowed))
        advice = did_you_mean(value, [each for each in allowed if isinstance(each, str)])
        if name == "stage" and not advice:
            advice = " The name of the stage is in each event."
        raise ValueError(f"{name} must be one of {choices}, got {value!r}.{advice}")


def _items_of(name: str, what: str, value: Any) -> tuple[Any, ...]:
    if callable(value) or isinstance(value, str) or not isinstance(value, Iterable | None):
        raise TypeError(f"{name} must be a list of {what}, got {value!r}.")
    return tuple(value or ())


def wrap(
    application: Application | None = None,
    *more: Never,
    mounts: Mapping[str, Application] | None = None,
    interface: Literal["asgi", "wsgi"] | None = None,
    lifespan: Mode = "auto",
    base_path: str | None = None,
    source: str | None = None,
    sources: Iterable[EventSource] | None = (),
    platform: str | Provider | None = None,
    trusted_proxies: int | str | Sequence[str] | None = None,
    cache: str | Backend | None = None,
    public_url: str | None = None,
    stage: Stage = "auto",
    text_types: Iterable[str] | None = (),
    around: Iterable[Callable[[EventHandler], EventHandler]] | None = (),
    on_error: Literal["respond", "raise"] = "respond",
    **unknown: Never,
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
            "" means that nothing is known.
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
        TypeError: Without an application and mounts, for a second argument without a keyword, for a
            keyword that is not known, and for an argument of a wrong type, such as a decorator that
            returns no function.
        ValueError: For any other wrong argument.
    """
    if more:
        from .keywords import unnamed_arguments

        raise TypeError(unnamed_arguments(more))
    if unknown:
        from .keywords import unknown_keywords

        known = {*(wrap.__kwdefaults__ or {})}
        raise TypeError(unknown_keywords(unknown, known))
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
