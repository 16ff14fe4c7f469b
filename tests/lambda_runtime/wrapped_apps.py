"""A gateway with a decorator of another tool, which the environment names, in either place.

WRAPPER is a name of `WRAPPERS`, PLACE is "around" (`wrap(..., around=...)`), "outside"
(`decorator(app)`) or "function" (`decorator(call)`, a function that calls the gateway). Each
decorator leaves a mark in the output when it has seen an event. No function of ours stands between
a tool's decorator and what it decorates: it could take what the decorator does not.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import unigate
from tests.lambda_runtime.apps import a_later, lifespan, part, say, start

Handler = Callable[..., Any]
MARK = "wrapper: seen"
# What the application does with a tool for each event.
inside: list[Callable[[], object]] = []


def marking(handler: Handler) -> Handler:
    """Return a handler that says what it was called with."""

    def marked(event: Any, context: Any) -> Any:
        say(f"{MARK} {type(event).__name__}")
        return handler(event, context)

    return marked


# --- Powertools ----------------------------------------------------------------------------------


def powertools_tracer() -> Handler:
    from aws_lambda_powertools import Tracer

    print_xray_entities()
    return Tracer(service="s", auto_patch=False).capture_lambda_handler


def print_xray_entities() -> None:
    from aws_xray_sdk.core import xray_recorder

    class Printing:
        def send_entity(self, entity: Any) -> None:
            say(f"{MARK} {entity.name}")

        def set_daemon_address(self, address: Any) -> None: ...

    xray_recorder.configure(emitter=Printing(), sampling=False)


def powertools_logger() -> Handler:
    from aws_lambda_powertools import Logger

    logger = Logger(service="s")

    inside.append(lambda: logger.info("inside"))
    return logger.inject_lambda_context


def powertools_metrics() -> Handler:
    from aws_lambda_powertools import Metrics

    metrics = Metrics(namespace="n", service="s")

    inside.append(lambda: metrics.add_metric(name="Calls", unit="Count", value=1))
    return metrics.log_metrics  # type: ignore[no-any-return]


def powertools_event_source() -> Handler:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2, event_source

    class Seen(APIGatewayProxyEventV2):
        def __init__(self, data: Any) -> None:
            say(MARK)
            super().__init__(data)

    return event_source(data_class=Seen)  # type: ignore[no-any-return]


def powertools_idempotency() -> Handler:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent
    from aws_lambda_powertools.utilities.idempotency.exceptions import (
        IdempotencyItemAlreadyExistsError,
        IdempotencyItemNotFoundError,
    )
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

    class Memory(BasePersistenceLayer):
        def __init__(self) -> None:
            super().__init__()
            self.records: dict[str, Any] = {}

        def _get_record(self, idempotency_key: str) -> Any:
            try:
                return self.records[idempotency_key]
            except KeyError:
                raise IdempotencyItemNotFoundError from None

        def _put_record(self, data_record: Any) -> None:
            say(f"{MARK} a record")
            if data_record.idempotency_key in self.records:
                raise IdempotencyItemAlreadyExistsError
            self.records[data_record.idempotency_key] = data_record

        def _update_record(self, data_record: Any) -> None:
            self.records[data_record.idempotency_key] = data_record

        def _delete_record(self, data_record: Any) -> None:
            self.records.pop(data_record.idempotency_key, None)

    decorator = idempotent(persistence_store=Memory(), config=IdempotencyConfig())
    return decorator  # type: ignore[no-any-return]


def powertools_handler_decorator() -> Handler:
    from aws_lambda_powertools.middleware_factory import lambda_handler_decorator

    @lambda_handler_decorator
    def middleware(handler: Handler, event: Any, context: Any) -> Any:
        say(MARK)
        return handler(event, context)

    return middleware  # type: ignore[no-any-return]


# --- tracing and reports -------------------------------------------------------------------------


def opentelemetry() -> Handler:
    return lambda handler: handler


def instrument_with_opentelemetry() -> None:
    """Replace the handler in its module, which _HANDLER names, as the Lambda layer does."""
    from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Printing(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            for span in spans:
                say(f"{MARK} {span.name} {span.attributes.get('http.status_code')}")
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Printing()))
    AwsLambdaInstrumentor().instrument(tracer_provider=provider)


def datadog() -> Handler:
    from datadog_lambda.metric import lambda_metric
    from datadog_lambda.wrapper import datadog_lambda_wrapper

    inside.append(lambda: lambda_metric("calls", 1))  # to the log, once the wrapper flushes
    return datadog_lambda_wrapper  # type: ignore[no-any-return]


def xray() -> Handler:
    from aws_xray_sdk.core import xray_recorder

    print_xray_entities()
    return xray_recorder.capture("a subsegment")  # type: ignore[no-any-return]


def print_sentry_events(**options: Any) -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Printing(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            event = envelope.get_event()
            if event:
                say(f"{MARK} {event['exception']['values'][-1]['value']}")

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Printing, **options)


def sentry_integration() -> Handler:
    from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

    print_sentry_events(integrations=[AwsLambdaIntegration()])
    return lambda handler: handler  # it patches AWS's runtime client


def sentry_function() -> Handler:
    from sentry_sdk.integrations.serverless import serverless_function

    print_sentry_events()
    return serverless_function


# --- decorators in general -----------------------------------------------------------------------


def plain() -> Handler:
    return marking


def functools_wraps() -> Handler:
    return lambda handler: functools.wraps(handler)(marking(handler))


def wrapt_decorator() -> Handler:
    import wrapt

    @wrapt.decorator
    def decorator(wrapped: Handler, instance: Any, args: Any, kwargs: Any) -> Any:
        say(MARK)
        return wrapped(*args, **kwargs)

    return decorator  # type: ignore[no-any-return]


def changing() -> Handler:
    """A decorator that adds a header field to replies, and answers some events itself."""

    def decorator(handler: Handler) -> Handler:
        def changed(event: Any, context: Any) -> Any:
            say(MARK)
            if "early" in event.get("rawPath", ""):
                return {"statusCode": 403, "headers": {"x-early": "1"}, "body": "not you"}
            reply = handler(event, context)
            if "statusCode" in reply:
                reply["headers"]["x-changed"] = "1"
            return reply

        return changed

    return decorator


def repeating() -> Handler:
    """A decorator that calls the handler twice for each event."""

    def decorator(handler: Handler) -> Handler:
        def repeated(event: Any, context: Any) -> Any:
            say(MARK)
            handler(event, context)
            return handler(event, context)

        return repeated

    return decorator


def asynchronous() -> Handler:
    """A handler that calls the gateway from a coroutine."""

    def decorator(gateway: Any) -> Handler:
        async def handler(event: Any, context: Any) -> Any:
            say(MARK)
            return await gateway.handle(event, context)

        return handler

    return decorator


def late() -> Handler:
    """A decorator of which only a call shows that it is asynchronous."""

    def decorator(handler: Handler) -> Handler:
        async def awaiting(event: Any, context: Any) -> Any:
            return handler(event, context)

        return lambda event, context: awaiting(event, context)

    return decorator


def hidden() -> Handler:
    """A decorator that keeps the gateway where nothing finds it."""

    def decorator(handler: Handler) -> Handler:
        kept = [handler]

        def found(event: Any, context: Any) -> Any:
            say(MARK)
            return kept[0](event, context)

        return found

    return decorator


WRAPPERS: dict[str, Callable[[], Any]] = {
    "powertools_tracer": powertools_tracer,
    "powertools_logger": powertools_logger,
    "powertools_metrics": powertools_metrics,
    "powertools_event_source": powertools_event_source,
    "powertools_idempotency": powertools_idempotency,
    "powertools_handler_decorator": powertools_handler_decorator,
    "opentelemetry": opentelemetry,
    "datadog": datadog,
    "xray": xray,
    "sentry_integration": sentry_integration,
    "sentry_function": sentry_function,
    "plain": plain,
    "functools_wraps": functools_wraps,
    "wrapt_decorator": wrapt_decorator,
    "changing": changing,
    "asynchronous": asynchronous,
    "repeating": repeating,
    "hidden": hidden,
    "late": late,
}


# --- the function --------------------------------------------------------------------------------


async def site(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    say(f"site: {scope['path']}")
    use_tools()
    query = dict(parse_qsl(scope["query_string"].decode()))
    if scope["path"] == "/later":
        await a_later(query, scope, receive, send)
        return
    if scope["path"] == "/fail":
        raise LookupError("not found")
    if scope["path"] == "/nested":
        reply = nested({"httpMethod": "GET", "path": "/"})
        say(f"nested: {reply['body']}")
    await start(send)
    await part(send, b"one ")
    await part(send, b"two", False)


def use_tools() -> None:
    for use in inside:
        use()


def inner_site(environ: Any, start_response: Any) -> list[bytes]:
    unigate.wait_until(say, "nested: done")
    start_response("200 OK", [])
    return [b"inner"]


nested = unigate.wrap(inner_site)
_decorator = WRAPPERS[os.environ["WRAPPER"]]()
_is_around = os.environ["PLACE"] == "around"
app = unigate.wrap(
    site,
    around=[_decorator] if _is_around else [],
    on_error="raise" if os.environ.get("RAISING") else "respond",
)


@app.on_event("sqs")
def take(event: Any, context: Any) -> Any:
    use_tools()
    unigate.wait_until(say, "taken: done")
    return {"seen": len(event["Records"])}


@app.on_event("sns")
async def fail(event: Any, context: Any) -> Any:
    use_tools()
    raise LookupError("not noted")


def call(event: Any, context: Any) -> Any:
    return app(event, context)


if _is_around:
    handler: Any = app
else:
    handler = _decorator(call if os.environ["PLACE"] == "function" else app)
if os.environ["WRAPPER"] == "opentelemetry":
    instrument_with_opentelemetry()
