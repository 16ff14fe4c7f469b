"""The platform's identifier of a request: every source, every door, and the filter for logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import unigate
from tests import samples
from tests.apps import plain
from tests.hosts import HOSTS, ask_asgi, ask_wsgi
from unigate import Headers, Request
from unigate.client import request_ids
from unigate.client.providers import PROVIDERS, provider
from unigate.deployment import Deployment
from unigate.events import azure
from unigate.events.detection import all_sources
from unigate.logging import RequestIDFilter

LAMBDA = SimpleNamespace(aws_request_id="invocation-1")
ROOT = "1-67891233-abcdef012345678912345678"
SELF = "1-67891233-12456789abcdef0123456789"


def seen(event: dict[str, Any], context: Any = None, **options: Any) -> str | None:
    """Return the identifier that an application sees for an event."""
    found = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(unigate.current_request().request_id)
        start_response("204 No Content", [])
        return []

    unigate.wrap(app, **options).lambda_handler(event, context)
    return found[0]


# --- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("http_api/get", "Qx7wZhJtDoEEMDw="),
        ("http_api/function_url", "0b8f4c1e-7a55-4f0e-9d1e-1c1f6f0b7a10"),
        ("rest_api/multi_value", "5f0c2b4e-0000-4c4c-8a8a-3d3d3d3d3d3d"),
        ("cloudfront/viewer_request", "vr-1=="),
        ("cloudfront/origin_request", "or-1=="),
        ("alibaba/trigger_get", "1-65000000-00000000-000000000071"),
        ("huawei/get", "req-81"),
        ("tencent/gateway_post", "a1a1a1a1-0000-4000-8000-000000000081"),
        ("yandex/gateway_10", "8f0e1c52-one"),
        ("yandex/direct", "8f0e1c52-direct"),
        ("scaleway/platform", "req-91"),
        ("openwhisk/digitalocean_raw", "0123456789abcdef0123456789abcdef"),
        ("lambda_integration/get", "invocation-1"),
        ("lattice/v1", "invocation-1"),
        ("lattice/v2", "invocation-1"),
        ("generic/map_query", "invocation-1"),
        ("openwhisk/get", "invocation-1"),
        ("alb/health_check", "invocation-1"),
    ],
)
def test_an_event_has_the_identifier_of_its_request(sample: str, expected: str) -> None:
    assert seen(samples.load(sample), LAMBDA) == expected


@pytest.mark.parametrize("sample", samples.names("generic"))
def test_without_any_there_is_none(sample: str) -> None:
    event = samples.load(sample)
    event["headers"] = dict.fromkeys(request_ids.HEADERS.values(), "forged")
    assert seen(event) is None


@pytest.mark.parametrize(("source", "field"), request_ids.HEADERS.items())
def test_a_header_counts_for_the_source_that_writes_it_alone(source: str, field: str) -> None:
    headers = Headers([(field, "Root=one" if source == "alb" else "one")])
    writers = {name for name, other in request_ids.HEADERS.items() if other == field}
    for name in [*all_sources(), "asgi", "wsgi", ""]:
        request = Request("GET", headers=headers, source=name)
        assert request.request_id == ("one" if name in writers else None), name


def test_every_row_is_of_a_source() -> None:
    assert {*request_ids.MEMBERS, *request_ids.HEADERS} <= {*all_sources(), "google"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Root={ROOT}", ROOT),
        (f"Self={SELF};Root={ROOT}", SELF),
        (f"Self={SELF};Root={ROOT};CalledFrom=app", SELF),
        (f"Root={ROOT}; Self={SELF}", SELF),
        (f"CalledFrom=app;Root={ROOT}", ROOT),
        ("Root=", "invocation-1"),
        ("CalledFrom=app", "invocation-1"),
        (";;==;", "invocation-1"),
        ("", "invocation-1"),
    ],
)
def test_of_a_trace_the_load_balancers_own_part_counts(header: str, expected: str) -> None:
    event = samples.load("alb/multi_value")
    event["multiValueHeaders"]["x-amzn-trace-id"] = [header]
    assert seen(event, LAMBDA) == expected


@pytest.mark.parametrize("odd", [None, "", 7, [], {}, "a\nb", "a\x00", "caf\xe9", "a\x7f", True])
def test_what_a_line_of_a_log_cannot_hold_is_no_identifier(odd: Any) -> None:
    event = samples.load("http_api/get")
    event["requestContext"]["requestId"] = odd
    assert seen(event, LAMBDA) == "invocation-1"
    assert seen(event, SimpleNamespace(aws_request_id=odd)) is None


@pytest.mark.parametrize("sample", ["http_api/get", "cloudfront/viewer_request", "alb/multi_value"])
def test_a_long_identifier_is_cut(sample: str) -> None:
    event = samples.load(sample)
    for text in (event, event.get("requestContext"), event.get("multiValueHeaders")):
        if isinstance(text, dict):
            text["requestId"] = "x" * 1000
            text["x-amzn-trace-id"] = ["Root=" + "x" * 1000]
    if "Records" in event:
        event["Records"][0]["cf"]["config"]["requestId"] = "x" * 1000
    assert len(seen(event) or "") == 256


class Broken:
    """A context of which the attribute fails."""

    @property
    def aws_request_id(self) -> str:
        raise RuntimeError("gone")


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (LAMBDA, "invocation-1"),
        (SimpleNamespace(invocation_id="azure-1"), "azure-1"),
        (SimpleNamespace(activation_id="digitalocean-1"), "digitalocean-1"),
        (SimpleNamespace(request_id="yandex-1"), "yandex-1"),
        ({"request_id": "tencent-1"}, "tencent-1"),
        ({}, None),
        (None, None),
        ("text", None),
        (Broken(), None),
        (SimpleNamespace(aws_request_id=lambda: "called"), None),
    ],
)
def test_the_context_names_the_invocation(context: Any, expected: str | None) -> None:
    assert Request("GET", source="generic", context=context).request_id == expected


def test_an_activation_of_openwhisk_is_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("__OW_ACTIVATION_ID", "activation-1")
    assert seen(samples.load("openwhisk/get")) == "activation-1"
    assert seen(samples.load("generic/map_query")) is None


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_has_the_rule(host: str) -> None:
    found: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(unigate.current_request().request_id)
        assert found[-1] == scope["state"]["unigate"].request_id
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    named = {field: "Root=r-1" if "trace" in field else "r-1" for field in set(_FIELDS.values())}
    request = Request(
        "GET", headers=Headers([("host", "example.org"), *named.items()]), client=("192.0.2.1", 9)
    )
    HOSTS[host](unigate.wrap(app, lifespan="off"), request)
    source = host.partition(" ")[0]
    local = "local" if source in ("alibaba", "huawei", "tencent", "yandex") else None
    if host == "alibaba map":
        local = None
    assert found == ["r-1" if source in _FIELDS else local]


_FIELDS = request_ids.HEADERS


def test_azures_context_names_the_invocation() -> None:
    found = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(unigate.current_request().request_id)
        start_response("204 No Content", [])
        return []

    event = azure.make_event(Request("GET", headers=Headers([("host", "example.org")])))
    unigate.wrap(app).azure(event, SimpleNamespace(invocation_id="azure-1"))
    assert found == ["azure-1"]


def test_a_gateway_in_a_gateway_has_the_identifier() -> None:
    found = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(unigate.current_request().request_id)
        start_response("204 No Content", [])
        return []

    unigate.wrap(unigate.wrap(app))(samples.load("huawei/get"), None)
    assert found == ["req-81"]


# --- live servers --------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [ask_asgi, ask_wsgi])
@pytest.mark.parametrize(
    ("proxies", "peer", "expected"),
    [
        (None, "10.0.0.9", None),
        (0, "10.0.0.9", None),
        (1, "10.0.0.9", "from-a-client-or-proxy"),
        ("10.0.0.0/8", "10.0.0.9", "from-a-client-or-proxy"),
        ("10.0.0.0/8", "192.0.2.1", None),
        (["10.0.0.0/8", "192.0.2.1"], "192.0.2.1", "from-a-client-or-proxy"),
        ((), "10.0.0.9", None),
    ],
)
def test_x_request_id_counts_from_trusted_proxies_alone(
    ask: Any, proxies: Any, peer: str, expected: str | None
) -> None:
    found = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(environ["unigate.request"].request_id)
        start_response("204 No Content", [])
        return []

    headers = Headers([("host", "example.org"), ("x-request-id", "from-a-client-or-proxy")])
    gateway = unigate.wrap(app, trusted_proxies=proxies)
    door = gateway.asgi if ask is ask_asgi else gateway.wsgi
    ask(door, Request("GET", headers=headers, client=(peer, 9)))
    assert found == [expected]


NAMED = [row for row in PROVIDERS.values() if row.request_id]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.name)
def test_a_providers_header_counts_where_it_is_named(row: Any) -> None:
    fields = Headers([(other.request_id, other.name) for other in NAMED if other is not NAMED[0]])
    fields.set(row.request_id, "id-1")
    request = Request("GET", headers=fields, source="asgi", client=("192.0.2.1", 9))
    request.deployment = Deployment()
    assert request.request_id is None
    request = Request("GET", headers=fields, source="asgi", client=("192.0.2.1", 9))
    request.deployment = Deployment(platform=row.name)
    assert request.request_id == "id-1"
    request = Request("GET", headers=fields, source="asgi", client=("192.0.2.1", 9))
    request.deployment = Deployment(platform=row.name, trusted_proxies="10.0.0.0/8")
    assert request.request_id is None


def test_a_providers_header_counts_where_the_platform_is_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = Headers([("x-vercel-id", "fra1::abc"), ("x-request-id", "forged")])
    for proof in ("VERCEL", "VERCEL_REGION", "VERCEL_DEPLOYMENT_ID"):
        monkeypatch.setenv(proof, "1")
    request = Request("GET", headers=fields, source="asgi")
    request.deployment = Deployment()
    assert request.request_id == "fra1::abc"


def test_an_operator_chooses_the_header_of_a_load_balancer() -> None:
    front = provider("google-load-balancer", request_id="x-our-id")
    request = Request("GET", headers=Headers([("x-our-id", "id-1")]), source="wsgi")
    request.deployment = Deployment(platform=front)
    assert request.request_id == "id-1"


# --- the filter ----------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Any:
    """Collect the lines of a handler with the filter, at the root logger."""
    collected: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(self.format(record))

    handler = Lines()
    handler.addFilter(RequestIDFilter())
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    logging.getLogger().addHandler(handler)
    yield collected
    logging.getLogger().removeHandler(handler)


def test_every_record_of_a_request_has_its_identifier(lines: list[str]) -> None:
    log = logging.getLogger("some.library")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        log.error("inside")
        log.error("own", extra={"request_id": "own-1"})
        unigate.wait_until(log.error, "deferred")
        start_response("204 No Content", [])
        return []

    gateway = unigate.wrap(app)
    log.error("before")
    gateway.lambda_handler(samples.load("huawei/get"))
    gateway.lambda_handler(samples.load("generic/map_query"))
    log.error("after")
    one = ["req-81 inside", "own-1 own", "req-81 deferred"]
    two = ["- inside", "own-1 own", "- deferred"]
    assert lines == ["- before", *one, *two, "- after"]


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "call": lambda app, context: app(samples.load("not_http/sqs"), context),
    "lambda_handler": lambda app, context: app.lambda_handler(
        samples.load("not_http/sqs"), context=context
    ),
    "handle": lambda app, context: asyncio.run(app.handle(samples.load("not_http/sqs"), context)),
}


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("around", [False, True], ids=["bare", "around"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_record_of_a_function_for_events_has_that_of_the_invocation(
    lines: list[str], call: Any, around: bool, is_async: bool, interface: str
) -> None:
    log = logging.getLogger("shop")

    async def deferred() -> None:
        log.error("deferred task")

    def take(event: Any, context: Any) -> None:
        log.error("inside")
        unigate.wait_until(log.error, "deferred")
        unigate.wait_until(deferred())

    async def take_later(event: Any, context: Any) -> None:
        await asyncio.sleep(0)
        take(event, context)

    site = plain.asgi_app if interface == "asgi" else plain.wsgi_app
    app = unigate.wrap(site, around=[lambda handler: handler] if around else [])
    app.on_event("sqs")(take_later if is_async else take)
    call(app, LAMBDA)
    call(app, {"request_id": "tencent-1"})
    call(app, None)
    log.error("after")
    for name in ("invocation-1", "tencent-1", "-"):
        assert sorted(lines[:3]) == [
            *(f"{name} deferred", f"{name} deferred task", f"{name} inside"),
        ]
        del lines[:3]
    assert lines == ["- after"]


def test_a_request_within_a_function_for_events_has_its_own(lines: list[str]) -> None:
    log = logging.getLogger("shop")

    def site(environ: Any, start_response: Any) -> list[bytes]:
        log.error("request")
        start_response("204 No Content", [])
        return []

    app = unigate.wrap(site)

    @app.on_event("sqs")
    def take(event: Any, context: Any) -> None:
        app(samples.load("huawei/get"), None)
        log.error("event")

    app(samples.load("not_http/sqs"), LAMBDA)
    assert lines == ["req-81 request", "invocation-1 event"]


@pytest.mark.parametrize("host", ["asgi", "wsgi", "http_api", "handle"])
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_threads_and_tasks_of_every_door_keep_it(
    lines: list[str], host: str, interface: str
) -> None:
    log = logging.getLogger("app")

    def wsgi(environ: Any, start_response: Any) -> Any:
        log.error("called")
        start_response("200 OK", [("Content-Type", "text/plain")])

        def body() -> Any:
            log.error("streaming")
            yield b"x"

        return body()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        log.error("called")
        fields = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        log.error("streaming")
        await send({"type": "http.response.body", "body": b"x"})

    app: Any = asgi if interface == "asgi" else wsgi
    headers = Headers([("host", "example.org"), ("cf-ray", "ray-1")])
    request = Request("GET", headers=headers, client=("192.0.2.1", 9))
    HOSTS[host](unigate.wrap(app, platform="cloudflare", lifespan="off"), request)
    assert lines == ["ray-1 called", "ray-1 streaming"]


def test_the_default_can_be_chosen() -> None:
    record = logging.makeLogRecord({})
    assert RequestIDFilter(default="").filter(record)
    assert vars(record)["request_id"] == ""
