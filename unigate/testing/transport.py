"""An httpx transport that asks an emulated host, and the requests that it can be asked with."""

from __future__ import annotations

import ipaddress
import threading
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import dataclass

import anyio
import anyio.to_thread
import httpx

from unigate.emulator import CLIENT, find_host, make_request
from unigate.events import EventSource, name_of
from unigate.import_strings import import_from
from unigate.lambda_runtime.wrapped import handler_of

from .cookies import Cookies
from .responses import Response

# The extension of a request that holds an Asked.
ASKED = "unigate"


@dataclass(frozen=True)
class Asked:
    """What a client was asked to send, where an `httpx.Request` cannot hold it.

    Attributes:
        parsed: The URL of the request; httpx copies extensions to a request that follows a
            redirect, which has another.
        url: The URL as it was written; httpx removes dots and quotes more than a client must.
        cookies: The cookies of the client.
        base64: Whether the event's body must be base64.
    """

    parsed: httpx.URL
    url: str
    cookies: Cookies
    base64: bool


class HostTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Send requests to an application in this process, as a given host would.

    Any `httpx.Client` or `httpx.AsyncClient` can use it. The arguments are those of `Client`. An
    asynchronous client sends each request from a thread, so the host does not block its loop. When
    it is cancelled, it no longer waits; the application goes on in the thread.
    """

    def __init__(
        self,
        app: object,
        source: str | EventSource = "http_api",
        *,
        client: tuple[str, int] = CLIENT,
    ) -> None:
        self._client = _checked(client)
        handler, self.app = handler_of(import_from(app) if isinstance(app, str) else app)
        self._host = find_host(source, handler)
        self._source = source if isinstance(source, str) else name_of(source)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its extensions and those of the response are described at `Response`.

        With a timeout, it is sent from a thread, since the application cannot be stopped.
        """
        request.read()
        seconds = _timeout_of(request)
        if seconds is None:
            return self._ask(request)
        answer: Future[Response] = Future()
        context = copy_context()

        def ask() -> None:
            try:
                answer.set_result(context.run(self._ask, request))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=ask, name="unigate.testing", daemon=True).start()
        if not wait([answer], seconds).done:
            raise _timed_out(request, seconds)
        return answer.result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request from a thread."""
        await request.aread()
        seconds = _timeout_of(request)
        with anyio.move_on_after(seconds):
            return await anyio.to_thread.run_sync(self._ask, request, abandon_on_cancel=True)
        raise _timed_out(request, seconds)

    def _ask(self, request: httpx.Request) -> Response:
        asked: Asked | None = request.extensions.get(ASKED)
        url = str(request.url)
        if asked and request.url is asked.parsed:
            url = asked.url
        elif asked:
            _complete_redirected(request, asked.cookies)
        if request.url.scheme not in ("http", "https"):
            message = f"The URL of a request must begin with http:// or https://, got {url!r}."
            raise httpx.UnsupportedProtocol(message, request=request)
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers.raw
            if name.lower() != b"transfer-encoding"  # hosts pass on whole bodies
        ]
        sent = make_request(request.method, url, fields, request.content, self._client)
        sent.source = self._source
        event, reply, raw = self._host(self.app, sent, bool(asked and asked.base64))
        extensions = {"event": event, "reply": reply, "request": sent}
        return Response(raw.status, raw.headers, httpx.ByteStream(raw.body), extensions)


def _checked(client: object) -> tuple[str, int]:
    """Return the address and the port of the client; ValueError if they are none."""
    match client:
        case (str(address), int(port)):
            try:
                return (str(ipaddress.ip_address(address)), port)
            except ValueError:
                pass
    raise ValueError(
        f'client must be an IP address and a port, such as ("203.0.113.9", 50000), got {client!r}.'
    )


def _timeout_of(request: httpx.Request) -> float | None:
    """Return how long the test clients wait for an answer, in seconds; None for as long as needed.

    Other clients have httpx's default of five seconds, which is meant for a network.
    """
    if ASKED not in request.extensions:
        return None
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return seconds


def _timed_out(request: httpx.Request, seconds: float | None) -> httpx.ReadTimeout:
    message = f"The application did not answer within {seconds} s; it goes on in its thread."
    return httpx.ReadTimeout(message, request=request)


def _complete_redirected(request: httpx.Request, cookies: Cookies) -> None:
    """Do what browsers do and httpx does not with a request that follows a redirect.

    httpx would send a host's own cookies to its subdomains as well, and the type of a body that is
    no longer there (the Fetch standard, section 4.4, "HTTP-redirect fetch").
    """
    request.headers.pop("cookie", None)
    request.headers.encoding = "latin-1"
    if kept := cookies.header(str(request.url)):
        request.headers["cookie"] = kept
    if not request.content:
        request.headers.pop("content-type", None)
