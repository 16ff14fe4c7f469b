"""What the test clients have from httpx, and where they keep to a browser's rules instead."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

import unigate
from tests.apps import starlette_app
from tests.test_testing import SOURCES, answering, asgi_failing, echo, facts_of
from unigate.testing import AsyncClient, Client, HostTransport, Response

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("bounded")


def test_the_clients_are_those_of_httpx() -> None:
    assert isinstance(Client(echo), httpx.Client)
    assert isinstance(AsyncClient(echo), httpx.AsyncClient)
    assert isinstance(Client(echo).get("/"), httpx.Response)


def test_extensions_hold_the_event_the_reply_and_the_request() -> None:
    response = Client(echo, "alb").get("/x?a=1")
    assert response.event is response.extensions["event"]
    assert response.reply is response.extensions["reply"]
    assert response.event["path"] == "/x"
    assert response.reply["statusCode"] == 200
    request = response.extensions["request"]
    assert isinstance(request, unigate.Request)
    assert (request.raw_path, request.query_string, request.source) == (b"/x", b"a=1", "alb")


@pytest.mark.parametrize("source", ["http_api", "asgi"])
def test_any_client_of_httpx_can_use_the_transport(source: str) -> None:
    with httpx.Client(
        transport=HostTransport(echo, source), base_url="https://shop.test"
    ) as client:
        response = client.post("/x", json=1)
    assert response.json()["headers"]["HTTP_HOST"] == "shop.test"
    assert response.extensions["request"].source == source


def test_only_needed_header_fields_are_sent() -> None:
    sent = set(facts_of(Client(echo).get("/"))["headers"])
    assert {"HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT"} <= sent
    assert not {"HTTP_ACCEPT_ENCODING", "HTTP_CONNECTION"} & sent


def test_a_client_has_header_fields_cookies_and_parameters_of_its_own() -> None:
    client = Client(
        echo,
        headers={"User-Agent": "kettle", "Accept-Encoding": "br", "X-One": "é"},
        cookies={"a": "1"},
        params={"page": 2},
        auth=("ada", "secret"),
    )
    facts = facts_of(client.get("/x?y=1", params={"z": 3}, cookies={"b": "2"}))
    assert facts["headers"]["HTTP_USER_AGENT"] == "kettle"
    assert facts["headers"]["HTTP_ACCEPT_ENCODING"] == "br"
    assert facts["headers"]["HTTP_X_ONE"] == "é"
    assert facts["headers"]["HTTP_COOKIE"] == "a=1; b=2"
    assert facts["headers"]["HTTP_AUTHORIZATION"] == "Basic YWRhOnNlY3JldA=="
    assert facts["query"] == "y=1&page=2&z=3" or set(facts["query"].split("&")) == {"page=2", "z=3"}
    client.cookies = {"c": "3"}
    assert facts_of(client.get("/", auth=None))["headers"]["HTTP_COOKIE"] == "c=3"
    client.headers["Cookie"] = "d=4"
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "d=4"


def test_files_are_sent_as_multipart() -> None:
    facts = facts_of(
        Client(echo).post("/", data={"name": "tea"}, files={"leaf": ("leaf.txt", b"green")})
    )
    assert facts["headers"]["CONTENT_TYPE"].startswith("multipart/form-data; boundary=")
    assert 'name="leaf"; filename="leaf.txt"' in facts["body"]
    assert facts["headers"]["CONTENT_LENGTH"] == str(len(facts["body"]))


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_parts_of_a_body_arrive_as_one(source: str) -> None:
    def parts() -> Iterator[bytes]:
        yield b"green "
        yield b"tea"

    facts = facts_of(Client(echo, source).post("/", content=parts()))
    assert facts["body"] == "green tea"
    assert facts["headers"]["CONTENT_LENGTH"] == "9"
    assert "HTTP_TRANSFER_ENCODING" not in facts["headers"]


def test_what_httpx_deprecates_is_taken_without_a_warning() -> None:
    facts = facts_of(Client(echo).post("/", data=b"tea", cookies={"a": "1"}))
    assert (facts["body"], facts["headers"]["HTTP_COOKIE"]) == ("tea", "a=1")


def test_a_response_is_decompressed_as_its_content_encoding_says() -> None:
    headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")]
    response = Client(answering(200, headers, gzip.compress(b"tea"))).get("/")
    assert response.text == "tea"
    assert response.headers["content-encoding"] == "gzip"


def test_a_response_is_read_in_parts() -> None:
    with Client(answering(200, [], b"one\ntwo\nthree")).stream("GET", "/") as response:
        assert isinstance(response, Response)
        assert response.event["version"] == "2.0"
        assert list(response.iter_lines()) == ["one", "two", "three"]


def test_header_fields_of_a_response_are_latin_1_and_repeat() -> None:
    fields = [("X-A", "Ã©"), ("X-B", "é"), ("X-B", "2")]
    headers = Client(answering(200, fields), "asgi").get("/").headers
    assert headers["x-a"] == "Ã©"
    assert headers.getlist("x-b") == headers.get_list("x-b") == ["é", "2"]
    assert "content-length" not in headers


def test_the_cookies_of_a_client_can_be_found_by_name_path_and_domain() -> None:
    client = Client(echo)
    client.cookies.set("a", "1")
    client.get("/in/set?c=a%3D2")
    assert client.cookies["a"] == client.cookies.get("a") == "2"
    assert client.cookies.get("a", path="/") == "1"
    assert client.cookies.get("b") is None
    client.cookies.update(httpx.Cookies({"b": "3"}))
    client.cookies.update([("c", "4")], d="5")
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "a=1; b=3; c=4; d=5"


def test_cookies_of_one_request_may_be_a_jar() -> None:
    jar = httpx.Cookies({"a": "1"})
    for cookies in (jar, jar.jar):
        facts = facts_of(Client(echo).get("/", cookies=cookies))
        assert facts["headers"]["HTTP_COOKIE"] == "a=1"


def test_a_redirect_to_a_subdomain_does_not_get_the_cookies_of_its_parent() -> None:
    client = Client(echo, base_url="https://example.org")
    client.cookies["host"] = "1"
    client.get("/set?c=all%3D2%3B+Domain%3Dexample.org%3B+Path%3D/")
    response = client.get("/go?302,https://www.example.org/there", follow_redirects=True)
    assert facts_of(response)["headers"]["HTTP_COOKIE"] == "all=2"
    assert [each.status_code for each in response.history] == [302]
    assert response.history[0].event["rawPath"] == "/go"


def test_a_cookie_returns_with_the_bytes_that_it_came_with() -> None:
    for value in ("é", "Ã©"):
        client = Client(answering(200, [("Set-Cookie", f"c={value}")]), "asgi")
        client.get("/")
        request = client.get("/").extensions["request"]
        assert request.headers["cookie"] == f"c={value}"


def test_hooks_see_requests_and_responses() -> None:
    seen: list[Any] = []
    hooks = {"request": [seen.append], "response": [seen.append]}
    response = Client(echo, event_hooks=hooks).get("/")
    assert [type(each) for each in seen] == [httpx.Request, Response]
    assert seen[1] is response


def test_a_request_can_be_built_and_sent() -> None:
    client = Client(echo, "rest_api")
    request = client.build_request("POST", "/../x", data="tea", base64=True)
    response = client.send(request)
    assert response.extensions["event"]["isBase64Encoded"] is True
    assert response.json()["raw"] == "/../x"


# The asynchronous client.


@pytest.mark.parametrize("source", SOURCES)
def test_the_asynchronous_client_sends_through_each_source(source: str) -> None:
    async def test() -> Any:
        async with AsyncClient(echo, source) as client:
            await client.get("/set?c=a%3D1")
            return facts_of(await client.post("/x?y=1", json={"n": None}, base64=True))

    facts = asyncio.run(test())
    assert (facts["method"], facts["path"], facts["query"]) == ("POST", "/x", "y=1")
    assert json.loads(facts["body"]) == {"n": None}
    assert facts["headers"]["HTTP_COOKIE"] == "a=1"


@pytest.mark.parametrize(
    "method", ["get", "head", "options", "post", "put", "patch", "delete", "propfind"]
)
def test_each_method_of_the_asynchronous_client_sends_its_http_method(method: str) -> None:
    async def test() -> Response:
        client = AsyncClient(echo)
        if method == "propfind":
            return await client.request(method, "/", data="x")
        response: Response = await getattr(client, method)("/", data="x")
        return response

    response = asyncio.run(test())
    assert response.request.method == method.upper()
    assert response.event["requestContext"]["http"]["method"] == method.upper()
    assert response.event["body"] == "x"


def test_the_asynchronous_client_works_on_trio() -> None:
    async def test() -> str:
        async with AsyncClient(starlette_app.app, "asgi") as client:
            return (await client.get("/chunks")).text

    assert trio.run(test) == "one,two,three"


def test_the_asynchronous_client_follows_redirects_and_sends_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"green "
        yield b"tea"

    async def test() -> Any:
        client = AsyncClient(echo, follow_redirects=True)
        response = await client.post("/go?307,/there", content=parts())
        async with client.stream("GET", "/x") as streamed:
            lines = [line async for line in streamed.aiter_lines()]
        return facts_of(response), json.loads("".join(lines)), dict(client.cookies)

    facts, streamed, cookies = asyncio.run(test())
    assert (facts["path"], facts["body"]) == ("/there", "green tea")
    assert streamed["path"] == "/x"
    assert cookies == {"went": "1"}


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi"])
def test_requests_of_the_asynchronous_client_run_at_once(source: str) -> None:
    both = threading.Barrier(2)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        both.wait(30)
        start_response("200 OK", [])
        return [b"met"]

    async def test() -> list[str]:
        client = AsyncClient(app, source)
        return [each.text for each in await asyncio.gather(client.get("/"), client.get("/"))]

    assert asyncio.run(test()) == ["met", "met"]


def test_a_failure_is_raised_by_the_asynchronous_client() -> None:
    client = AsyncClient(unigate.wrap(asgi_failing, on_error="raise"))
    with pytest.raises(RuntimeError, match="The view failed"):
        asyncio.run(client.get("/"))


def test_without_httpx_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['httpx'] = None; import unigate.testing"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: unigate.testing is an extra: pip install 'unigate[testing]'"
    )
