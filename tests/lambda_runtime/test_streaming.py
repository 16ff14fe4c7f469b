"""Streamed responses: sent while the application produces them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until

from .function import APPS, Function, event
from .runtime_api import Posted

pytestmark = pytest.mark.usefixtures("bounded")
STREAMING = {"UNIGATE_RESPONSE_STREAMING": "1"}
BOTH = pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi", "asgi"])
MEGABYTE = 1024


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("streaming")
    with Function(f"{APPS}.app", folder, env=STREAMING) as runtime:
        yield runtime


def is_streamed(posted: Posted) -> bool:
    return "lambda-runtime-function-response-mode" in posted.headers


@BOTH
def test_the_prelude_carries_status_headers_and_cookies(function: Function, prefix: str) -> None:
    posted = function.api.invoke(event(f"{prefix}/hello"))

    assert posted.prelude == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain", "x-one": "1"},
        "cookies": ["a=1", "b=2"],
    }
    assert posted.streamed == b"hello"
    assert posted.chunks[0].endswith(b"}" + bytes(8))  # the prelude is a chunk of its own
    assert posted.headers["trailer"] == (
        "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    )
    assert posted.trailers == {}


@BOTH
def test_the_prelude_for_a_rest_api_has_multi_value_headers(
    function: Function, prefix: str
) -> None:
    posted = function.api.invoke(event(f"{prefix}/hello", "rest_api"))

    assert posted.prelude == {
        "statusCode": 200,
        "multiValueHeaders": {
            "content-type": ["text/plain"],
            "x-one": ["1"],
            "set-cookie": ["a=1", "b=2"],
        },
    }
    assert posted.streamed == b"hello"


@BOTH
@pytest.mark.parametrize("source", ["http_api", "alb"])
def test_sources_without_streaming_get_a_buffered_response(
    function: Function, prefix: str, source: str
) -> None:
    posted = function.api.invoke(event(f"{prefix}/hello", source))

    assert not is_streamed(posted)
    assert (posted.json()["statusCode"], posted.json()["body"]) == (200, "hello")


def test_payload_1_of_an_http_api_is_not_streamed(function: Function) -> None:
    posted = function.api.invoke({**event("/hello", "rest_api"), "version": "1.0"})

    assert not is_streamed(posted)
    assert posted.json()["body"] == "hello"


def test_responses_are_buffered_unless_streaming_is_configured(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path) as runtime:
        for prefix in ("", "/v2"):
            posted = runtime.api.invoke(event(f"{prefix}/hello"))
            assert not is_streamed(posted)
            assert posted.json()["body"] == "hello"


@BOTH
@pytest.mark.parametrize("status", [204, 304, 302, 200])
def test_a_response_without_a_body_is_streamed(
    function: Function, prefix: str, status: int
) -> None:
    posted = function.api.invoke(event(f"{prefix}/empty?status={status}"))

    assert posted.prelude["statusCode"] == status
    assert posted.prelude["headers"]["location"] == "/elsewhere"
    assert posted.body.endswith(bytes(8))


@BOTH
def test_a_response_that_must_not_have_a_body_has_none(function: Function, prefix: str) -> None:
    for target, method in (
        (f"{prefix}/hello", "HEAD"),
        (f"{prefix}/empty?status=204&body=x", "GET"),
    ):
        posted = function.api.invoke(event(target, method=method))

        assert posted.prelude["statusCode"] in (200, 204)
        assert posted.streamed == b""


@BOTH
def test_each_chunk_arrives_before_the_next_is_produced(
    function: Function, prefix: str, tmp_path: Path
) -> None:
    call = function.api.call(event(f"{prefix}/steps?count=3&folder={tmp_path}"))

    assert call.part().endswith(bytes(8))
    for number in range(3):
        assert call.part() == f"data: {number}\n\n".encode()
        assert call.parts.empty()
        assert not call.answers
        (tmp_path / str(number)).touch()

    assert call.wait().streamed == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


@BOTH
def test_a_large_response_needs_little_memory(tmp_path: Path, prefix: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        runtime.api.invoke(event(f"{prefix}/much?size=65536&count=1"))
        before = runtime.memory("VmHWM")

        call = runtime.api.call(event(f"{prefix}/much?size=65536&count=3200"), drop=True)
        posted = call.wait(30)

        assert call.read > 200 * 1024 * MEGABYTE
        assert runtime.memory("VmHWM") - before < 20 * MEGABYTE
        assert not posted.trailers


@BOTH
def test_a_slow_reader_slows_the_application(function: Function, prefix: str) -> None:
    count, size = 512, 65536
    call = function.api.call(
        event(f"{prefix}/much?size={size}&count={count}"), stop_reading_after=size, drop=True
    )
    until(lambda: call.read > size)
    until_quiet(function)

    sent = int(function.server.output().rpartition("much: ")[2].split()[0])
    assert sent < count * size / 2  # at most what the sockets buffer
    call.resume.set()

    call.wait()
    assert call.read > count * size


def until_quiet(function: Function) -> None:
    """Wait until the process stops printing."""

    def is_quiet() -> bool:
        before = function.server.output()
        time.sleep(0.2)
        return function.server.output() == before

    until(is_quiet)


@BOTH
@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_a_failure_before_the_response_is_a_plain_500(
    function: Function, prefix: str, source: str
) -> None:
    for when in ("before", "between"):
        posted = function.api.invoke(event(f"{prefix}/fail?when={when}", source))

        assert posted.prelude["statusCode"] == 500
        assert posted.streamed == b"Internal Server Error"
        assert posted.trailers == {}
    function.server.wait_for_output("RuntimeError: a detail for the log")


@BOTH
def test_a_failure_before_the_response_is_an_error_with_on_error_raise(
    tmp_path: Path, prefix: str
) -> None:
    with Function(f"{APPS}.raising", tmp_path, env=STREAMING) as runtime:
        posted = runtime.api.invoke(event(f"{prefix}/fail?when=before"))

        assert posted.kind == "error"
        assert posted.headers["lambda-runtime-function-error-type"] == "RuntimeError"
        assert posted.json()["errorMessage"] == "a detail for the log"
        assert runtime.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"


@BOTH
def test_a_failure_within_the_response_is_in_its_trailers(function: Function, prefix: str) -> None:
    posted = function.api.invoke(event(f"{prefix}/fail?when=midway"))

    assert posted.prelude["statusCode"] == 200
    assert posted.streamed == b"a part"
    assert posted.failure == {"errorType": "RuntimeError", "errorMessage": "a detail for the log"}
    assert function.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"


def test_an_incomplete_response_is_in_its_trailers(function: Function) -> None:
    posted = function.api.invoke(event("/v2/half"))

    assert posted.streamed == b"a half"
    assert posted.failure["errorType"] == "IncompleteResponse"


def test_a_status_that_is_not_a_number_is_a_500(function: Function) -> None:
    posted = function.api.invoke(event("/v2/text"))

    assert (posted.prelude["statusCode"], posted.streamed) == (500, b"Internal Server Error")
    function.server.wait_for_output("The status of a response must be an int, got '200'.")


@BOTH
def test_a_streamed_body_ends_with_its_content_length(function: Function, prefix: str) -> None:
    posted = function.api.invoke(event(f"{prefix}/length?length=4&count=3"))

    assert (posted.prelude["statusCode"], posted.streamed) == (200, b"0123")
    function.server.wait_for_output("The body is longer than its Content-Length, 4 bytes")
    assert function.api.invoke(event(f"{prefix}/hello")).streamed == b"hello"


def test_an_unexpected_message_is_a_failure_of_the_application(function: Function) -> None:
    posted = function.api.invoke(event("/v2/twice"))

    assert posted.failure["errorType"] == "RuntimeError"
    assert "out of order" in posted.failure["errorMessage"]


def test_chunks_sent_concurrently_stay_whole(function: Function) -> None:
    posted = function.api.invoke(event("/v2/crowd?count=20&size=300000"))

    parts = posted.chunks[1:]
    assert sorted(parts) == sorted(bytes([65 + number]) * 300000 for number in range(20))


def test_a_chunk_cancelled_halfway_ends_the_stream(tmp_path: Path) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        call = runtime.api.call(event("/v2/impatient"), stop_reading_after=0)
        runtime.server.wait_for_output("impatient: gave up")
        call.resume.set()

        until(lambda: None in call.parts.queue)
        assert not call.answers
        assert runtime.api.invoke(event("/v2/hello")).streamed == b"hello"


def test_an_event_with_invalid_base64_is_a_400(function: Function) -> None:
    broken = {**event("/hello", "rest_api"), "body": "!", "isBase64Encoded": True}
    posted = function.api.invoke(broken)

    assert (posted.prelude["statusCode"], posted.streamed) == (400, b"Bad Request")


def test_a_path_without_an_application_is_a_streamed_404(tmp_path: Path) -> None:
    source = "import unigate\nfrom tests.lambda_runtime.apps import asgi_app\n"
    (tmp_path / "only.py").write_text(f"{source}app = unigate.wrap(mounts={{'/v2': asgi_app}})\n")
    with Function("only.app", tmp_path, env=STREAMING) as runtime:
        posted = runtime.api.invoke(event("/elsewhere"))

        assert (posted.prelude["statusCode"], posted.streamed) == (404, b"Not Found")


@pytest.mark.parametrize("how", ["cut_after", "refuse_after"])
def test_a_wsgi_body_is_closed_when_the_client_disconnects(tmp_path: Path, how: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        runtime.api.call(event("/endless"), **{how: 3000})

        runtime.server.wait_for_output("wsgi: closed")
        assert runtime.api.invoke(event("/hello")).streamed == b"hello"
        assert "Traceback" not in runtime.server.output()


@pytest.mark.parametrize("how", ["cut_after", "refuse_after"])
def test_an_asgi_application_receives_the_disconnect(tmp_path: Path, how: str) -> None:
    with Function(f"{APPS}.app", tmp_path, env=STREAMING) as runtime:
        runtime.api.call(event("/v2/endless"), **{how: 3000})
        runtime.server.wait_for_output("endless: http.disconnect")

        runtime.api.call(event("/v2/listening"), **{how: 500})
        runtime.server.wait_for_output("listening: http.disconnect")

        assert runtime.api.invoke(event("/v2/hello")).streamed == b"hello"
        assert "Traceback" not in runtime.server.output()


def test_headers_too_large_for_a_prelude_are_a_500(function: Function) -> None:
    posted = function.api.invoke(event(f"/v2/large?size={17 * 1024}"))

    assert posted.prelude["statusCode"] == 500
    function.server.wait_for_output("fields of a streamed response must be at most")


def test_starlette_streams(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(STARLETTE)
    with Function("shop.app", tmp_path, env=STREAMING) as runtime:
        call = runtime.api.call(event(f"/events?folder={tmp_path}"))
        assert call.part().endswith(bytes(8))
        assert call.part() == b"data: 0\n\n"
        (tmp_path / "go").touch()
        posted = call.wait()

        assert posted.streamed == b"data: 0\n\ndata: 1\n\n"
        assert posted.prelude["headers"]["content-type"].startswith("text/event-stream")

        runtime.api.call(event(f"/events?folder={tmp_path}/nowhere"), cut_after=100)
        runtime.server.wait_for_output("stream: over")


STARLETTE = """
import asyncio
from pathlib import Path

import unigate
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route


async def events(request):
    async def lines():
        try:
            yield "data: 0\\n\\n"
            while not Path(request.query_params["folder"], "go").exists():
                await asyncio.sleep(0.005)
                if "nowhere" in request.query_params["folder"]:
                    yield "data: again\\n\\n"
            yield "data: 1\\n\\n"
        finally:
            print("stream: over", flush=True)

    return StreamingResponse(lines(), media_type="text/event-stream")


app = unigate.wrap(Starlette(routes=[Route("/events", events)]))
"""


def test_an_application_that_ignores_the_disconnect_is_cancelled(
    tmp_path: Path,
) -> None:
    (tmp_path / "deaf.py").write_text(DEAF)
    with Function("deaf.app", tmp_path, env=STREAMING) as runtime:
        runtime.api.call(event("/"), cut_after=500)

        runtime.server.wait_for_output("deaf: cancelled")
        runtime.api.wait_until_idle()


DEAF = """
import asyncio
import unigate

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})
    try:
        await asyncio.sleep(3600)
    finally:
        print("deaf: cancelled", flush=True)

app = unigate.wrap(app, lifespan="off")
"""
