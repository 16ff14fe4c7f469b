"""Traces and logs with the packages that are used for them: OpenTelemetry, X-Ray, Powertools."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import flask
import pytest
from aws_lambda_powertools import Logger
from opentelemetry import trace
from opentelemetry.instrumentation import asgi as otel_asgi
from opentelemetry.instrumentation import wsgi as otel_wsgi
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

import unigate
from tests import samples
from tests.hosts import HOSTS
from tests.lambda_runtime.function import Function
from unigate import Gateway, Headers, Request
from unigate.logging import RequestIDFilter

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
XRAY = "1-0af76519-16cd43dd8448eb211c80319c"

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


def traced(interface: str) -> Any:
    """Return an application that answers with the trace that it is in, with its spans recorded."""

    def current() -> dict[str, str]:
        return {"trace": f"{trace.get_current_span().get_span_context().trace_id:032x}"}

    if interface == "wsgi":
        site = flask.Flask(__name__)
        site.add_url_rule("/<path:path>", view_func=lambda path: current(), endpoint="current")
        return otel_wsgi.OpenTelemetryMiddleware(site, tracer_provider=PROVIDER)

    async def view(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(current())

    starlette = Starlette(routes=[Route("/{path:path}", view)])
    return otel_asgi.OpenTelemetryMiddleware(
        starlette, tracer_provider=PROVIDER, exclude_spans=["receive", "send"]
    )


GATEWAYS = {interface: unigate.wrap(traced(interface)) for interface in ("wsgi", "asgi")}
every_interface = pytest.mark.parametrize("interface", GATEWAYS)


@pytest.fixture(autouse=True)
def _no_spans() -> Iterator[None]:
    propagator = get_global_textmap()
    EXPORTER.clear()
    yield
    set_global_textmap(propagator)


def ask(gateway: Gateway, host: str, **fields: str) -> str:
    """Return the trace that the application is in."""
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    headers = Headers([("host", "example.org"), *named])
    request = Request("GET", b"/orders/7", headers=headers, client=("203.0.113.7", 4711))
    response = HOSTS[host](gateway, request)
    assert response.status == 200
    found: str = json.loads(response.body)["trace"]
    return found


# --- OpenTelemetry -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
@every_interface
def test_a_request_is_one_span_of_the_clients_trace(interface: str, host: str) -> None:
    sent = f"00-{TRACE}-{PARENT}-01"
    assert ask(GATEWAYS[interface], host, traceparent=sent) == TRACE
    [span] = EXPORTER.get_finished_spans()
    assert span.kind is trace.SpanKind.SERVER
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    about = dict(span.attributes or {})
    assert about["http.method"] == "GET"
    assert about["http.status_code"] == 200
    assert "/orders/7" in str(about.get("http.target") or about.get("http.url"))


@pytest.mark.parametrize("host", ["asgi", "http_api"])
def test_under_asgi_each_message_is_a_span_unless_it_is_excluded(host: str) -> None:
    middleware = traced("asgi")
    middleware.exclude_send_span = middleware.exclude_receive_span = False
    ask(unigate.wrap(middleware), host)
    spans = EXPORTER.get_finished_spans()
    assert len(spans) > 1
    assert [span.kind for span in spans].count(trace.SpanKind.SERVER) == 1


@pytest.mark.parametrize("host", ["asgi", "wsgi", "http_api", "handle", "google", "azure"])
@every_interface
def test_requests_without_a_trace_begin_one_each(interface: str, host: str) -> None:
    first, second = (ask(GATEWAYS[interface], host) for _ in range(2))
    assert first != second
    assert [span.parent for span in EXPORTER.get_finished_spans()] == [None, None]


@pytest.mark.parametrize("host", ["asgi", "wsgi", "http_api", "handle", "google", "azure"])
@every_interface
def test_a_span_around_the_handler_is_the_parent(interface: str, host: str) -> None:
    with PROVIDER.get_tracer("handler").start_as_current_span("handler") as handler:
        ask(GATEWAYS[interface], host)
    inside, outside = EXPORTER.get_finished_spans()
    assert inside.parent == handler.get_span_context() == outside.context


SITES = {
    "wsgi": """
def site(environ, start_response):
    start_response("204 No Content", [])
    return []
""",
    "asgi": """
async def site(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
""",
}
# Spans that wait for an hour, unless they are flushed.
BATCHED = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

import unigate

provider = TracerProvider()
exporter = ConsoleSpanExporter()
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
app = unigate.wrap(OpenTelemetryMiddleware(site, tracer_provider=provider), lifespan="off")
"""
FLUSHES = {
    "awslambdaric": """
def handler(event, context):
    try:
        return app.lambda_handler(event, context)
    finally:
        provider.force_flush()
""",
    "unigate.lambda_runtime": """
import unigate.lambda_runtime

unigate.lambda_runtime.on_invocation_end(provider.force_flush)
handler = app
""",
}


@pytest.mark.parametrize("runtime", FLUSHES)
@pytest.mark.parametrize("interface", SITES)
def test_spans_are_sent_before_lambda_freezes_the_process(
    interface: str, runtime: str, tmp_path: Any
) -> None:
    middleware = f"from opentelemetry.instrumentation.{interface} import OpenTelemetryMiddleware\n"
    code = middleware + SITES[interface] + BATCHED + FLUSHES[runtime]
    (tmp_path / "traced.py").write_text(code)
    env = {"UNIGATE_RESPONSE_STREAMING": "1"}
    with Function("traced.handler", tmp_path, runtime=runtime, env=env) as function:
        for count, name in enumerate(("http_api/get", "http_api/function_url"), 1):
            posted = function.api.invoke(samples.load(name))
            is_streamed = name == "http_api/function_url" and runtime != "awslambdaric"
            reply = posted.prelude if is_streamed else posted.json()
            assert reply["statusCode"] == 204
            function.api.wait_until_idle()
            assert function.server.output().count('"kind": "SpanKind.SERVER"') == count


# --- X-Ray ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["http_api", "function_url", "rest_api", "alb", "asgi", "wsgi"])
@every_interface
def test_a_trace_of_xray_goes_on(interface: str, host: str) -> None:
    set_global_textmap(AwsXRayPropagator())
    header = f"Root={XRAY};Parent={PARENT};Sampled=1"
    assert ask(GATEWAYS[interface], host, x_amzn_trace_id=header) == TRACE


FUNCTION = """
import json

from aws_xray_sdk.core import xray_recorder

import unigate


def site(environ, start_response):
    with xray_recorder.in_subsegment("orders") as subsegment:
        subsegment.put_annotation("request", unigate.current_request().request_id)
        start_response("204 No Content", [])
        return []


app = unigate.wrap(site)
with open("event.json") as file:
    app.lambda_handler(json.load(file), None)
"""


def test_a_subsegment_of_xrays_sdk_arrives_at_its_daemon(tmp_path: Any) -> None:
    (tmp_path / "function.py").write_text(FUNCTION)
    (tmp_path / "event.json").write_text(json.dumps(samples.load("http_api/get")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(20)
        on_lambda = {
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": f"Root={XRAY};Parent={PARENT};Sampled=1",
        }
        ran = subprocess.run(
            [sys.executable, "function.py"],
            cwd=tmp_path,
            env={**os.environ, **on_lambda},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        subsegment = json.loads(daemon.recv(65536).split(b"\n", 1)[1])
    assert (subsegment["trace_id"], subsegment["parent_id"]) == (XRAY, PARENT)
    assert subsegment["name"] == "orders"
    assert subsegment["annotations"] == {"request": "Qx7wZhJtDoEEMDw="}


# --- Powertools ----------------------------------------------------------------------------------


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_powertools_logger_has_the_identifiers(interface: str) -> None:
    stream = io.StringIO()
    logger = Logger(service=f"shop-{interface}", stream=stream)
    logger.addFilter(RequestIDFilter())

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        logger.info("inside")
        start_response("204 No Content", [])
        return []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        logger.info("inside")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    app = unigate.wrap(wsgi if interface == "wsgi" else asgi, lifespan="off")

    @logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
    def handler(event: Any, context: Any) -> Any:
        return app.lambda_handler(event, context)

    context = SimpleNamespace(
        function_name="shop",
        memory_limit_in_mb=128,
        invoked_function_arn="arn:aws:lambda:eu-west-1:1:function:shop",
        aws_request_id="invocation-1",
    )
    assert handler(samples.load("http_api/get"), context)["statusCode"] == 204
    logger.info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["request_id"] == inside["correlation_id"] == "Qx7wZhJtDoEEMDw="
    assert inside["function_request_id"] == "invocation-1"
    assert outside["request_id"] == "-"
