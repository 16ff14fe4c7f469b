"""The arguments of the test clients: timeouts, the client's address, and mistakes."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

import unigate
from tests.test_testing import SOURCES, echo, facts_of
from unigate.testing import AsyncClient, Client, HostTransport

pytestmark = pytest.mark.usefixtures("bounded")


class Waiting:
    """An application that answers once it is released, and tells that it did."""

    def __init__(self) -> None:
        self.released, self.ended = threading.Event(), threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.released.wait(60)
        start_response("200 OK", [])
        self.ended.set()
        return [b"late"]

    def goes_on(self) -> bool:
        """Return True if it had not ended, and ends now that it is released."""
        early = self.ended.is_set()
        self.released.set()
        return not early and self.ended.wait(60)


# Timeouts and cancellation.


@pytest.mark.parametrize("source", ["http_api", "asgi", "wsgi", "google"])
def test_a_timeout_is_raised_while_the_application_goes_on(source: str) -> None:
    app = Waiting()
    with pytest.raises(httpx.ReadTimeout, match=r"within 0\.1 s; it goes on") as raised:
        Client(app, source, timeout=0.1).get("/slow")
    assert raised.value.request.url.path == "/slow"
    assert app.goes_on()


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_timeout_of_one_request_is_raised_by_the_asynchronous_client(backend: str) -> None:
    app = Waiting()

    async def ask() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", timeout=0.1)
        assert app.goes_on()

    anyio.run(ask, backend=backend)


def test_a_cancelled_request_is_no_longer_waited_for(backend: str) -> None:
    app = Waiting()

    async def ask() -> bool:
        async with AsyncClient(app) as client:
            with anyio.move_on_after(0.1) as scope:
                await client.get("/")
        assert app.goes_on()
        return scope.cancelled_caught

    assert anyio.run(ask, backend=backend)


def test_within_a_timeout_responses_and_failures_arrive() -> None:
    variable = contextvars.ContextVar[str]("variable")
    variable.set("seen")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/error":
            raise TimeoutError("The application's own.")
        start_response("200 OK", [])
        return [variable.get().encode()]

    client = Client(unigate.wrap(app, on_error="raise"), timeout=60)
    assert client.get("/").text == "seen"
    with pytest.raises(TimeoutError, match="The application's own"):
        client.get("/error")


def test_without_a_timeout_the_application_runs_in_the_thread_of_the_test() -> None:
    threads: list[threading.Thread] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        threads.append(threading.current_thread())
        start_response("200 OK", [])
        return []

    Client(app).get("/")
    with httpx.Client(transport=HostTransport(app), base_url="https://localhost") as client:
        client.get("/")  # httpx has a timeout of its own
    assert threads == [threading.current_thread()] * 2


# The address of the client.


@pytest.mark.parametrize("source", [each for each in SOURCES if each != "generic"])
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::7"])
def test_the_address_of_the_client_is_seen_through_each_source(source: str, address: str) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        body = f"{scope['client'][0]} {scope['unigate.request'].ip_address}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    client = (address, 50000)
    assert facts_of(Client(echo, source, client=client).get("/"))["client"] == address
    gateway = unigate.wrap(asgi)
    assert Client(gateway, source, client=client).get("/").text == f"{address} {address}"


def test_other_clients_have_an_address_too() -> None:
    async def ask() -> Any:
        return facts_of(await AsyncClient(echo, client=("203.0.113.9", 1)).get("/"))

    assert asyncio.run(ask())["client"] == "203.0.113.9"
    transport = HostTransport(echo, "asgi", client=("203.0.113.9", 1))
    with httpx.Client(transport=transport, base_url="https://localhost") as client:
        assert client.get("/").json()["client"] == "203.0.113.9"


@pytest.mark.parametrize("client", ["203.0.113.9", ("testclient", 50000), ("203.0.113.9",), None])
def test_an_address_that_is_none_is_an_error(client: Any) -> None:
    with pytest.raises(ValueError, match=r'such as \("203.0.113.9", 50000\), got'):
        Client(echo, client=client)


# Mistakes.


@pytest.mark.parametrize("base_url", ["localhost", "/v2", "", "https://", "ftp://localhost"])
def test_a_base_url_must_be_a_url(base_url: str) -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(ValueError, match='such as "https://localhost", got '):
            make(echo, base_url=base_url)


@pytest.mark.parametrize("url", ["wss://localhost/v2", "ftp://localhost/", "HTTPX://localhost"])
def test_another_scheme_is_not_supported(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol, match="must begin with http:// or https://"):
        Client(echo).get(url)


def test_a_transport_needs_an_absolute_url() -> None:
    with (
        httpx.Client(transport=HostTransport(echo)) as client,
        pytest.raises(httpx.UnsupportedProtocol, match="got '/x'"),
    ):
        client.get("/x")


def test_a_scheme_may_be_in_upper_case() -> None:
    assert facts_of(Client(echo).get("HTTP://localhost/x"))["raw"] == "/x"


def test_a_url_must_be_text() -> None:
    with pytest.raises(TypeError, match=r"url must be text or an httpx\.URL, got None"):
        Client(echo).get(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, 5, echo])
def test_a_source_is_a_name_or_an_event_source(source: Any) -> None:
    with pytest.raises(TypeError, match=r"source must be the name of a host.*, got "):
        Client(echo, source)


@pytest.mark.parametrize(
    ("source", "module", "package"),
    [("azure", "azure.functions", "azure-functions"), ("google", "flask", "flask")],
)
def test_a_source_names_the_package_that_it_needs(
    source: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=f"'{source}' needs .*pip install {package}$"):
        Client(echo, source)


CLIENT_ARGUMENTS = {
    "transport": "HostTransport(app)",
    "trust_env": "leave it out",
    "verify": "leave it out",
    "raise_server_exceptions": 'on_error="raise"',
    "mounts": "unigate.wrap(app, mounts=...)",
    "platform": "unigate.wrap(app, platform=...)",
    "follow_redirect": "did you mean follow_redirects=...?",
    "xyz": "it has auth, ",
}
ARGUMENTS = {
    "query_string": "params=...",
    "content_type": 'headers={"Content-Type": ...}',
    "follow": "follow_redirects=...",
    "allow_redirects": "follow_redirects=...",
    "stream": 'client.stream("GET", url)',
    "REMOTE_ADDR": 'client=("203.0.113.9", 50000)',
    "HTTP_X_ONE": 'headers={"X-One": ...}',
    "heders": "did you mean headers=...?",
}


@pytest.mark.parametrize("name", CLIENT_ARGUMENTS)
@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_a_wrong_argument_of_a_client_names_the_right_one(make: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"has no argument '{name}': ") as raised:
        make(echo, **{name: None})
    assert CLIENT_ARGUMENTS[name] in str(raised.value)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_wrong_argument_of_a_request_names_the_right_one(name: str) -> None:
    options: Any = {name: None}
    calls: list[Callable[[], object]] = [
        lambda: Client(echo).get("/", **options),
        lambda: Client(echo).build_request("GET", "/", **options),
        lambda: Client(echo).stream("GET", "/", **options).__enter__(),
        lambda: asyncio.run(AsyncClient(echo).post("/", **options)),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=f"has no argument '{name}': ") as raised:
            call()
        assert ARGUMENTS[name] in str(raised.value)


def test_a_wrong_attribute_names_the_right_one() -> None:
    client: Any = Client(echo)
    response: Any = client.get("/")
    with pytest.raises(AttributeError, match=r"'data': write response\.content"):
        response.data  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'xyz'$"):
        response.xyz  # noqa: B018
    with pytest.raises(AttributeError, match="it sends no WebSockets"):
        client.websocket_connect("/")
    assert not hasattr(client, "xyz")


def test_the_asynchronous_client_says_how_it_is_entered() -> None:
    client: Any = AsyncClient(echo)
    with pytest.raises(TypeError, match="async with"), client:
        pass


@pytest.mark.parametrize("name", ["cookies", "headers"])
def test_cookies_and_header_fields_are_no_text(name: str) -> None:
    options: Any = {name: "a=b"}
    client = Client(echo)
    for call in (lambda: Client(echo, **options), lambda: client.get("/", **options)):
        with pytest.raises(TypeError, match=f"{name} must be a dict or pairs"):
            call()


def test_a_cookie_may_be_set_for_localhost() -> None:
    client = Client(echo)
    client.cookies.set("a", "1", domain=client.base_url.host)
    assert facts_of(client.get("/"))["headers"]["HTTP_COOKIE"] == "a=1"


# Handlers around a gateway.


apps = types.ModuleType("apps")
vars(apps)["app"] = unigate.wrap(echo)


def handler(event: Any, context: Any) -> Any:
    return apps.app(event, context)


@pytest.mark.parametrize("source", ["alb", "asgi"])
@pytest.mark.parametrize("function", [handler, lambda *args: apps.app(*args)])
def test_the_gateway_of_a_handler_may_be_an_attribute_of_a_module(
    source: str, function: Any
) -> None:
    assert facts_of(Client(function, source).get("/x"))["path"] == "/x"


def test_a_handler_without_a_gateway_is_told_where_it_is_looked_for() -> None:
    def hidden(event: Any, context: Any) -> Any:
        return sys.modules["apps"].app(event, context)

    with pytest.raises(unigate.UnknownInterface, match=r"gateway must be found: as a global name"):
        Client(hidden, "alb")
