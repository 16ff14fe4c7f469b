"""A handler as Lambda names it: a gateway, or a function that may call gateways.

Around a gateway there may be decorators, proxies or a function of the application. What such a
function is called with and returns is as under AWS's runtime client; a gateway that it calls asks
this module to answer, so that work after the response stays after it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

from unigate.context import event_host_var
from unigate.errors import UnknownInterface
from unigate.events.detection import parse_event
from unigate.gateway import Gateway, wrap

from .client import RuntimeClient
from .gateway_search import gateways_in
from .handlers import resolve
from .invocation import Context, Invocation
from .marshalling import marshal
from .serving import (
    answer_whole,
    call_function,
    is_streamed,
    serve_gateway,
    stream_answer,
    stream_reply,
)

_log = logging.getLogger("unigate")

_RULE = (
    "Of a handler around a gateway, the gateway must be found: as a global name or an attribute of "
    "an imported module that the handler reads, in its closure or in its attributes. Write, above "
    "it: app = unigate.wrap(...), or from main import app."
)
# A member of the reply that a decorator gets for a streamed response.
_STREAMED = "streamed"


class Handler:
    """A handler and the gateways that it calls, as far as they can be found.

    Args:
        function: The gateway or the function.
        name: The name that Lambda has for it.
        streaming: Whether responses are sent in parts, where the sender of the event takes them.
    """

    def __init__(self, function: Any, name: str, *, streaming: bool) -> None:
        self._function = function
        self._name = name
        self._gateways = gateways_in(function)
        self.streaming = streaming
        self.gateway = next((each for each in self._gateways if _is_entry(function, each)), None)
        self._warned: set[str] = set()

    def load(self) -> None:
        """Load the applications that are import strings."""
        for gateway in self._gateways:
            gateway.load()
        if _has_sentry_for_lambda():
            _log.warning(
                "Sentry's AwsLambdaIntegration patches AWS's runtime client, which does not run "
                "here: failures of on_event functions are not reported, and reports are not "
                "flushed. Pass its decorator: from sentry_sdk.integrations.serverless import "
                "serverless_function, unigate.wrap(..., around=[serverless_function])."
            )

    def start(self) -> None:
        """Run the start-up of ASGI applications, in the time that Lambda gives a start."""
        for gateway in self._gateways:
            gateway.start()

    def stop(self) -> None:
        """Run the shutdown of the applications that were started."""
        for gateway in self._gateways:
            gateway.stop()

    def serve(
        self, client: RuntimeClient, invocation: Invocation, event: Any, context: Context
    ) -> None:
        """Answer an invocation."""
        if self.gateway is not None and not self.gateway.around:
            serve_gateway(self.gateway, self.streaming, client, invocation, event, context)
            return
        answering = _Answering(self, client, invocation)
        token = event_host_var.set(answering)
        try:
            result = call_function(self._function, invocation, event, context)
        finally:
            event_host_var.reset(token)
        answering.respond(result, event, context)

    def warn_of_buffering(self, gateway: Gateway) -> None:
        """Say once why a response is not streamed, and what to write instead."""
        if "streaming" not in self._warned:
            self._warned.add("streaming")
            _log.warning(
                "The responses of %r are not streamed: the handler %s is a function around it, "
                "which gets them whole. To stream them, name the gateway as the handler and pass "
                "the decorators to it: unigate.wrap(..., around=[decorator]).",
                gateway,
                self._name,
            )

    def warn_of_late_start(self, gateway: Gateway) -> None:
        """Say once that applications start with an event, and what to write instead."""
        if "start" in self._warned or gateway in self._gateways:
            return
        self._warned.add("start")
        if any(mount.interface == "asgi" for mount in gateway.mounts):
            _log.warning(
                "The applications of %r start with the first event, not during the initialization: "
                "the gateway was not found in the handler %s. Name the gateway as the handler and "
                "pass decorators to it: unigate.wrap(..., around=[decorator]).",
                gateway,
                self._name,
            )

    def warn_of_repetition(self) -> None:
        """Say once that a second response to one event cannot be sent."""
        if "repetition" not in self._warned:
            self._warned.add("repetition")
            _log.warning(
                "A decorator in `around` of %s called the handler again for an event whose "
                "response was streamed by then: the second response is not sent. A decorator that "
                "repeats calls must be around a function, which gets responses whole: @decorator, "
                "def handler(event, context): return app(event, context).",
                self._name,
            )

    def warn_of_change(self) -> None:
        """Say once that a changed reply came too late."""
        if "change" not in self._warned:
            self._warned.add("change")
            _log.warning(
                "A decorator in `around` of %s returned another reply than it got, but the "
                "response was streamed by then. Change responses in a middleware of the "
                "application, or set UNIGATE_RESPONSE_STREAMING=0.",
                self._name,
            )


class _Answering:
    """What answers the events that reach gateways during one invocation."""

    def __init__(self, handler: Handler, client: RuntimeClient, invocation: Invocation) -> None:
        self._handler = handler
        self._client = client
        self._invocation = invocation
        self._streamed: object = None  # the reply that began a streamed response, as JSON
        self._repeated = False

    def __call__(self, gateway: Gateway, event: Any, context: Any) -> Any:
        """Answer an event in place of its gateway."""
        self._handler.warn_of_late_start(gateway)
        token = event_host_var.set(None)  # what the application calls is not this invocation
        try:
            return self._answer(gateway, event, context)
        finally:
            event_host_var.reset(token)

    def _answer(self, gateway: Gateway, event: Any, context: Any) -> Any:
        source = gateway.find_source(event)
        if source is None:
            result = gateway.notify(event, context)
            awaitable = hasattr(result, "__await__")
            return gateway.runtime.run_started(result) if awaitable else result
        client, invocation = self._client, self._invocation
        if self._handler.streaming and is_streamed(source, event):
            if gateway is not self._handler.gateway:
                self._handler.warn_of_buffering(gateway)
            elif self._streamed is not None:
                self._repeated = True
                self._handler.warn_of_repetition()
            else:
                reply = stream_answer(gateway, source, client, invocation, event, context)
                reply = {**reply, _STREAMED: True}
                self._streamed = marshal(reply)  # decorators may change it
                return reply
        return answer_whole(gateway, source, invocation, event, context)

    def respond(self, result: Any, event: Any, context: Any) -> None:
        """Send what the function returned, unless the response has been streamed."""
        if self._streamed is not None:
            if not self._repeated and marshal(result) != self._streamed:
                self._handler.warn_of_change()
            return
        if isinstance(result, dict) and result.get(_STREAMED) is True:
            raise ValueError(
                "A decorator returned the reply of an earlier response, which was streamed and "
                "whose body is therefore not in it. A decorator that keeps replies must be around "
                "a function, which gets them whole: @decorator, def handler(event, context): "
                "return app(event, context)."
            )
        gateway = self._handler.gateway
        if gateway is not None and self._handler.streaming and _is_reply(result):
            event = parse_event(event)
            source = gateway.find_source(event)
            if source is not None and is_streamed(source, event):
                stream_reply(source, self._client, self._invocation, event, context, result)
                return
        self._client.respond(self._invocation, *marshal(result))


def _is_reply(result: Any) -> bool:
    return isinstance(result, dict) and "statusCode" in result


def _is_entry(function: Any, gateway: Gateway) -> bool:
    """Return True for a gateway or its method, False for a proxy, which equals what it wraps."""
    if function is gateway or function is gateway.lambda_handler:
        return True
    return type(function) is MethodType and function in (gateway.lambda_handler, gateway.handle)


def handler_of(app: Any) -> tuple[Callable[[Any, Any], Any], Gateway]:
    """Return what Lambda calls with (event, context), and the gateway that answers in the end.

    Args:
        app: A gateway, a function or proxy around one, or an application, which is wrapped.

    Raises:
        UnknownInterface: It is none of them, or the gateway was not found in the function.
    """
    from inspect import isroutine, unwrap  # the runtime itself does without it, to start faster

    if issubclass(type(app), Gateway):
        return app, app
    # `functools.wraps` and wrapt give their functions the signature of the gateway.
    if not issubclass(type(unwrap(app)), Gateway):
        try:
            gateway = wrap(app)
            return gateway, gateway
        except UnknownInterface as error:
            if not gateways_in(app):
                if isroutine(app):
                    raise UnknownInterface(f"{error} {_RULE}") from None
                raise
    return lambda event, context: resolve(app(event, context)), gateways_in(app)[0]


def _has_sentry_for_lambda() -> bool:
    sentry = sys.modules.get("sentry_sdk")
    return sentry is not None and sentry.get_client().get_integration("aws_lambda") is not None
