"""What a gateway offers to tools and to hosts of your own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import unigate
from tests.samples import load
from unigate import Gateway, LifespanFailed, Request, Response
from unigate.background import deferring
from unigate.events import EventSource, generic, http_api, rest_api
from unigate.events.replies import write_reply

EVENT = {"httpMethod": "GET", "path": "/v2/users"}


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode()]


def failing(environ: Any, start_response: Any) -> list[bytes]:
    raise LookupError("no view")


class Living:
    """An ASGI application that records its lifespan."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        while (message := await receive())["type"] != "lifespan.shutdown":
            self.phases.append(message["type"])
            await send({"type": "lifespan.startup.complete"})
        self.phases.append(message["type"])
        await send({"type": "lifespan.shutdown.complete"})


def test_mounts_are_loaded_and_the_root_is_first() -> None:
    app = unigate.wrap("tests.test_gateway_for_hosts:hello", mounts={"/v2": hello})
    assert [(mount.prefix, mount.interface, mount.app) for mount in app.mounts] == [
        ("", "wsgi", hello),
        ("/v2", "wsgi", hello),
    ]
    assert "/v2 wsgi" in repr(app.mounts[1])


@pytest.mark.parametrize(
    ("given", "expected"), [(None, ""), ("", ""), ("/", ""), ("//", ""), ("api/", "/api")]
)
def test_a_base_path_begins_with_a_slash_or_is_empty(given: str | None, expected: str) -> None:
    assert unigate.wrap(hello, base_path=given).base_path == expected


def test_a_route_is_the_mount_and_extends_the_root_path() -> None:
    app = unigate.wrap(mounts={"/v2": hello}, base_path="/api")
    request = Request("GET", b"/api/v2/users")
    mount = app.route(request)
    assert mount is not None
    assert (mount.prefix, request.root_path) == ("/v2", "/api")
    assert app.route(Request("GET", b"/api/v3")) is None


def test_start_and_stop_run_the_lifespan_once() -> None:
    living = Living()
    app = unigate.wrap(living, interface="asgi", lifespan="on")
    app.stop()
    assert living.phases == []
    app.start()
    app.start()
    assert living.phases == ["lifespan.startup"]
    app.stop()
    assert living.phases == ["lifespan.startup", "lifespan.shutdown"]


def test_load_imports_what_an_import_string_names() -> None:
    app = unigate.wrap("tests.nowhere:app")
    with pytest.raises(ImportError, match="nowhere"):
        app.load()


def test_a_source_is_found_for_http_events_only() -> None:
    app = unigate.wrap(hello)
    assert app.find_source(load("rest_api/sam_local")) is rest_api
    assert app.find_source(load("http_api/get")) is http_api
    assert app.find_source({"Records": []}) is None


class Recording:
    """A source that records the steps that it takes."""

    def __init__(self, source: EventSource, steps: list[str]) -> None:
        self._source = source
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        if name in ("to_request", "to_reply"):
            self._steps.append(name)
        return getattr(self._source, name)


def test_events_are_read_and_replied_to_through_a_wrapped_source() -> None:
    app, steps = unigate.wrap(hello), list[str]()

    def record(source: EventSource) -> Any:
        return Recording(source, steps)

    app.wrap_sources(record)
    assert app.lambda_handler(EVENT)["statusCode"] == 200
    assert steps == ["to_request", "to_reply"]
    assert asyncio.run(app.handle(EVENT))["statusCode"] == 200
    assert steps == ["to_request", "to_reply"] * 2


def test_an_answer_runs_and_finishes_as_its_host_wants() -> None:
    app, finished = unigate.wrap(hello), list[Request]()

    def run(mount: Any, request: Request) -> Response:
        request.wait_until(finished.append, request)
        return Response.plain(202, mount.prefix or "root")

    reply = app.answer(generic, EVENT, None, run, finished.append)
    assert (reply["statusCode"], reply["body"]) == (202, "root")
    (request,) = finished
    request.finish()
    assert finished == [request, request]


def test_a_host_may_take_the_steps_of_an_answer_itself() -> None:
    app = unigate.wrap(mounts={"/v2": failing})
    request, mount, response = app.read(generic, EVENT, None)
    assert mount is not None
    assert response is None
    response = app.recover(LookupError("no view"), request)
    request.finish()
    assert write_reply(generic, EVENT, request, response)["statusCode"] == 500


@pytest.mark.parametrize(
    ("event", "status"),
    [({**EVENT, "path": "/"}, 404), ({**EVENT, "body": "%", "isBase64Encoded": True}, 400)],
)
def test_without_a_mount_there_is_a_response(event: dict[str, Any], status: int) -> None:
    app = unigate.wrap(mounts={"/v2": hello})
    for _ in range(2):
        request, mount, response = app.read(generic, event, None)
        assert mount is None
        assert response is not None
        assert response.status == status
        assert write_reply(generic, event, request, response)["statusCode"] == status
        response.status = 999  # its own, not one that the next event gets


def test_a_failure_is_raised_where_the_platform_counts_it() -> None:
    error = LookupError("no view")
    with pytest.raises(LookupError):
        unigate.wrap(failing, on_error="raise").recover(error, Request("GET"))
    with pytest.raises(LifespanFailed):
        unigate.wrap(failing).recover(LifespanFailed("no database"), Request("GET"))


def notified() -> Gateway:
    app = unigate.wrap(hello)

    @app.on_event("sqs")
    async def orders(event: Any, context: Any) -> int:
        unigate.wait_until(event["done"].append, "worked")
        return len(event["Records"])

    return app


def test_a_host_awaits_an_asynchronous_handler_and_finishes_its_work() -> None:
    app, done = notified(), list[str]()
    event = {"Records": [{"eventSource": "aws:sqs"}], "done": done}
    with deferring(None) as deferred:
        result = app.runtime.run_started(app.notify(event, None))
    assert (result, done) == (1, [])
    deferred.finish()
    assert done == ["worked"]
    with pytest.raises(unigate.UnknownEvent, match=r'on_event\("s3"\)'):
        app.notify({"Records": [{"eventSource": "aws:s3"}]}, None)


class Fragile:
    """A source that matches every event and reads none."""

    __name__ = "stations.telegraph"
    MAX_REPLY = 1024

    def matches(self, event: Any) -> bool:
        return True

    def to_request(self, event: Any, context: Any) -> Request:
        return Request(event["morse"])

    def to_reply(self, response: Any, event: Any) -> Any:
        raise AssertionError("called")


def test_an_error_names_the_source_that_failed_to_read_the_event() -> None:
    fragile: Any = Fragile()
    app = unigate.wrap(hello, sources=[fragile])
    with pytest.raises(
        unigate.UnknownEvent, match=r"keys 'httpMethod', 'path'\. .*'telegraph' .*KeyError\('morse"
    ):
        app.lambda_handler(EVENT)
