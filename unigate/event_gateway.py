"""Answer events: the doors for them, and the steps that hosts of events call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .applications import Applications
from .context import event_host_var
from .deployment import Deployment
from .events.detection import check_sources, find_source, parse_event, source_named
from .events.replies import write_reply
from .http.responses import Response, reason_phrase
from .request import Request

if TYPE_CHECKING:
    from .events.handlers import Decorator, EventHandlers, Handler, RegisteredHandler
    from .events.source import EventSource
    from .placement import Placement
    from .routing import Mount

_log = logging.getLogger("unigate")


class EventGateway:
    """Answers events with applications; `gateway.Gateway` is one that servers can call as well.

    Attributes:
        applications: The applications and their prefixes.
        around: The decorators around the handling of events, the outermost first.
        base_path: The prefix that the host leaves on the path, with a "/" at its start, or "".
        deployment: The platform, proxies and cache, as the deployer names them.
        placement: Gives a request its public address, where the deployer says more of it; or None.
        raising: Whether failures of the application are raised (`on_error="raise"`).
    """

    def __init__(
        self,
        applications: Applications,
        deployment: Deployment,
        placement: Placement | None,
        source: str | None,
        sources: tuple[EventSource, ...],
        around: tuple[Decorator, ...],
        *,
        raising: bool,
    ) -> None:
        self.applications = applications
        self.base_path = applications.base_path
        self.deployment = deployment
        self.placement = placement
        self.raising = raising
        check_sources(sources)
        self._sources = sources
        self._source = source_named(source, self._sources) if source is not None else None
        self._source_wrapper: Callable[[EventSource], EventSource] | None = None
        self._handlers: dict[str, list[RegisteredHandler]] = {}
        self.around = around
        if self.around:
            from .handler_decorators import surround  # most gateways do without it

            vars(self)["lambda_handler"] = surround(self.lambda_handler, self.around)

    def on_event(self, kind: str, **filters: str) -> Callable[[Handler], Handler]:
        """Register a function for non-HTTP events; what it returns is the reply.

        The function is called with (event, context), once the applications are loaded and started.
        An asynchronous one runs on the event loop of the ASGI applications. An event without a
        function raises UnknownEvent, because any reply would mean success; only a warm-up is
        answered, once the applications are loaded and started.

        A function whose first parameter is annotated with an event class of Powertools, such as
        `SQSEvent`, or a model of its parser, gets the event as that class, and may return it.

        Args:
            kind: A name of `unigate.events.kinds.NAMES`, such as "sqs", or "*" for every event
                without a function of its own. "schedule" falls back to "eventbridge". "manage" is
                `{"manage": "..."}`, which anyone with permission to invoke the function can send.
            filters: What the events must have, by the names of `unigate.events.filters.FILTERS`:
                `queue="orders"`. Of several functions, the first whose filters match is called;
                one without filters is called for the rest.

        Raises:
            TypeError: The kind has no such filter, its value is not text, or the function cannot be
                called with (event, context), or its class is for events of another kind.
            ValueError: The kind is unknown, a filter is empty, or a function with the same filters
                is registered already.
        """
        return self._event_handlers().register(kind, filters)

    # --- the doors -------------------------------------------------------------------------------

    def lambda_handler(self, event: object, context: object = None) -> Any:
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
        from .background import deferring  # requests do without it

        with deferring(context) as deferred:
            try:
                result = self.notify(event, context)
                if hasattr(result, "__await__"):
                    result = self.applications.runtime.run_started(result)
                return result
            finally:
                deferred.finish()

    async def handle(self, event: Any, context: object = None) -> Any:
        """Answer an event from within a running event loop, without blocking it."""
        if self.around or event_host_var.get() is not None:
            import asyncio

            return await asyncio.to_thread(self.lambda_handler, event, context)
        if type(event) is not dict:
            event = parse_event(event)
        source = self.find_source(event)
        if source is None:
            from .background import deferring

            runtime = self.applications.runtime
            with deferring(context) as deferred:
                try:
                    return await runtime.call_handler(partial(self.notify, event, context))
                finally:
                    await runtime.finish(deferred)
        request, mount, response = self.read(source, event, context)
        if mount is not None:
            runtime = self.applications.runtime
            try:
                response = await runtime.answer_async(mount, request, self.raising)
            except Exception as error:
                response = self.recover(error, request)
            finally:
                work = request.mark_answered()
                if work is not None:
                    await runtime.finish(work)
        assert response is not None
        return write_reply(source, event, request, response)

    # --- for tools and hosts ---------------------------------------------------------------------

    def find_source(self, event: object) -> EventSource | None:
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
        context: object,
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
        applications = self.applications
        try:
            request = source.to_request(event, context)
        except Exception as error:
            refused = _refusal(error, source, event)
            return source.to_reply(refused, event)
        request.deployment = self.deployment
        if self.placement is not None:
            self.placement(request)
        mount = applications.only or applications.find(request)
        if mount is None:
            return write_reply(source, event, request, not_found())
        try:
            if run is not None:
                response = run(mount, request)
            elif mount.interface == "wsgi":
                root_path = request.root_path + mount.prefix
                response = applications.call_wsgi(mount.app, request, root_path)
            else:
                response = applications.runtime.answer(mount, request, self.raising)
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
        self, source: EventSource, event: Any, context: object
    ) -> tuple[Request, Mount | None, Response | None]:
        """Read an event, and find the application that answers it.

        Returns:
            The request and the mount of the application. Without a mount the third is the
            response: the event was refused, or no application has its path.
        """
        try:
            request = source.to_request(event, context)
        except Exception as error:
            from .events.source import name_of

            request = Request("GET", source=name_of(source), event=event, context=context)
            return request, None, _refusal(error, source, event)
        request.deployment = self.deployment
        if self.placement is not None:
            self.placement(request)
        mount = self.applications.only or self.applications.find(request)
        return request, mount, None if mount is not None else not_found()

    def recover(self, error: BaseException, request: Request) -> Response:
        """Log a failure of the application and return a plain 500.

        With `on_error="raise"` it is raised instead, for the platform to count; so are in any case
        a LifespanFailed, and what must end the process. A BaseException that must not, such as a
        cancellation that no host asked for, counts as ApplicationAborted.
        """
        from .errors import LifespanFailed  # most replies do without the exceptions

        if isinstance(error, LifespanFailed):
            raise error
        return self.recover_live(error, request)

    def recover_live(self, error: BaseException, request: Request) -> Response:
        """Do what `recover` does, but answer a LifespanFailed as well: a server counts nothing."""
        from .errors import failure_of

        failure = failure_of(error)
        if self.raising or not isinstance(failure, Exception):
            raise failure
        _log.error("%r failed.", request, exc_info=failure)
        return Response.plain(500, "Internal Server Error")

    def notify(self, event: object, context: object) -> Any:
        """Call the handler of a non-HTTP event, and return its result.

        The applications are loaded and started first, as the handler may need what they set up.
        The result is an awaitable for an asynchronous handler: `runtime.run_started` awaits it.
        Call this within `unigate.background.deferring`, which keeps what `wait_until` is given.

        Raises:
            UnknownEvent: If no handler is registered for the event.
            ImportError: If an import string does not lead to an application.
            LifespanFailed: If the start-up of an application fails.
            ApplicationAborted: If it ended with what no `except Exception` catches.
        """
        handlers = self._event_handlers()
        handler = handlers.find(event)
        if handler is None:
            from .events.unknown import unknown_event

            raise unknown_event(event, self._sources, handlers.filtered(event))
        self.applications.start_once()
        try:
            result = handler(event, context)
        except BaseException as error:
            from .errors import failure_of

            if (failure := failure_of(error)) is not error:
                raise failure from error
            raise
        if result is None or type(result) is dict:
            return result
        from .events.results import plain_result

        return plain_result(result)

    def _event_handlers(self) -> EventHandlers:
        from .events.handlers import EventHandlers  # requests do without it

        return EventHandlers(self._handlers)


def not_found() -> Response:
    """Return the response to a request for which there is no application."""
    return Response.plain(404, "Not Found")


def _refusal(error: Exception, source: EventSource, event: Any) -> Response:
    """Return the response to an event that its source cannot read, or raise UnknownEvent."""
    from .errors import InvalidEvent

    if isinstance(error, InvalidEvent):
        _log.warning("Event refused: %s", error)
        return Response.plain(error.status, reason_phrase(error.status))
    if isinstance(error, (AttributeError, KeyError, RecursionError, TypeError, ValueError)):
        from .events.unknown import unreadable_event

        raise unreadable_event(source, event, error) from error
    raise error
