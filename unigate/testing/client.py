"""The clients: httpx's, with a transport that asks an emulated host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Unpack, cast

import httpx

from unigate.emulator import BASE_URL, CLIENT
from unigate.events import EventSource

from .cookies import Cookies
from .counterparts import CLIENT_ATTRIBUTES, no_attribute
from .requests import (
    ClientOptions,
    CookiesOption,
    Options,
    build,
    client_options,
    finish,
    sending_options,
)
from .responses import Response
from .transport import HostTransport


class _KeepsCookies:
    """What both clients add to httpx's: its property `cookies`, with a browser's rules."""

    _kept: Cookies

    @property
    def cookies(self) -> Cookies:
        """The cookies that the client keeps; setting them replaces all."""
        return self._kept

    @cookies.setter
    def cookies(self, cookies: CookiesOption) -> None:
        self._kept.clear()
        self._kept.update(cookies)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name, CLIENT_ATTRIBUTES)


class Client(_KeepsCookies, httpx.Client):  # type: ignore[misc]
    """Send requests to an application in this process, as a given host would, and keep cookies.

    Args:
        app: A gateway, or anything that `unigate.wrap` accepts, such as "main:app". It may also be
            a handler of events around a gateway, such as a decorated one: platforms that pass
            events call it, and others the gateway.
        source: The name of an event source ("http_api", "function_url", "rest_api", "alb", ...),
            "google", "azure", or a server ("asgi", "wsgi"); or a custom event source.
        base_url: What relative URLs are appended to; its host must be in Django's ALLOWED_HOSTS,
            which allow the default, "localhost", while DEBUG is set.
        client: The address and the port that requests come from, as every host sees them.
        options: Options of `httpx.Client`, see `ClientOptions`; those for a network have no use
            here. No proxy or other setting is read from the environment.

    Raises:
        UnknownInterface: The application is none.
        ImportError: An import string does not lead to one.
        ModuleNotFoundError: The source "azure" or "google" needs a package.
        TypeError: An option is not known, or of a wrong type.
        ValueError: There is no such source, or the base URL or the client's address is none.
    """

    def __init__(
        self,
        app: object,
        source: str | EventSource = "http_api",
        *,
        base_url: str = BASE_URL,
        client: tuple[str, int] = CLIENT,
        **options: Unpack[ClientOptions],
    ) -> None:
        rest = client_options(options, base_url)
        transport = HostTransport(app, source, client=client)
        self.app = transport.app
        self._kept = Cookies(base_url)
        super().__init__(transport=transport, base_url=base_url, trust_env=False, **rest)
        finish(self, options)

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Build a request, of the arguments of `request`."""
        return build(self, super().build_request, method, url, options)

    def request(self, method: str, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a request and return the response.

        Args:
            method: The method; it is sent in upper case.
            url: A path with its query, or an absolute URL; it is sent as it is written, but for
                characters that must be quoted.
            options: See `Options`.

        Raises:
            TypeError: If both data and json are given.
            httpx.TooManyRedirects: If there are more than 20 redirects.
            httpx.UnsupportedProtocol: If the URL has another scheme than http or https.
            httpx.ReadTimeout: If the application has not answered within a timeout.
        """
        sending = sending_options(options)
        return cast(Response, self.send(self.build_request(method, url, **options), **sending))

    @contextmanager
    def stream(
        self, method: str, url: httpx.URL | str, **options: Unpack[Options]
    ) -> Iterator[Response]:
        """Send a request, and read the body of its response in parts."""
        sending = sending_options(options)
        request = self.build_request(method, url, **options)
        response = self.send(request, stream=True, **sending)
        try:
            yield cast(Response, response)
        finally:
            response.close()

    def get(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a GET request."""
        return self.request("GET", url, **options)

    def head(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a HEAD request."""
        return self.request("HEAD", url, **options)

    def options(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a POST request."""
        return self.request("POST", url, **options)

    def put(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a PATCH request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a DELETE request."""
        return self.request("DELETE", url, **options)


class AsyncClient(_KeepsCookies, httpx.AsyncClient):  # type: ignore[misc]
    """The same as `Client` for asynchronous tests, with awaitable methods.

    Each request is sent from a thread, so the test's event loop goes on, and several can be sent
    at once. The application runs on the event loop that unigate has, as on a host, not on that of
    the test; it goes on when a request is cancelled.
    """

    if not TYPE_CHECKING:

        def __enter__(self) -> None:
            raise TypeError("An AsyncClient must be entered by `async with`, got `with`.")

        __exit__ = __enter__

    def __init__(
        self,
        app: object,
        source: str | EventSource = "http_api",
        *,
        base_url: str = BASE_URL,
        client: tuple[str, int] = CLIENT,
        **options: Unpack[ClientOptions],
    ) -> None:
        rest = client_options(options, base_url)
        transport = HostTransport(app, source, client=client)
        self.app = transport.app
        self._kept = Cookies(base_url)
        super().__init__(transport=transport, base_url=base_url, trust_env=False, **rest)
        finish(self, options)

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Build a request, of the arguments of `request`."""
        return build(self, super().build_request, method, url, options)

    async def request(
        self, method: str, url: httpx.URL | str, **options: Unpack[Options]
    ) -> Response:
        """Send a request and return the response, as `Client.request`."""
        sending = sending_options(options)
        request = self.build_request(method, url, **options)
        return cast(Response, await self.send(request, **sending))

    @asynccontextmanager
    async def stream(
        self, method: str, url: httpx.URL | str, **options: Unpack[Options]
    ) -> AsyncIterator[Response]:
        """Send a request, and read the body of its response in parts."""
        sending = sending_options(options)
        request = self.build_request(method, url, **options)
        response = await self.send(request, stream=True, **sending)
        try:
            yield cast(Response, response)
        finally:
            await response.aclose()

    async def get(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a GET request."""
        return await self.request("GET", url, **options)

    async def head(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a HEAD request."""
        return await self.request("HEAD", url, **options)

    async def options(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send an OPTIONS request."""
        return await self.request("OPTIONS", url, **options)

    async def post(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a POST request."""
        return await self.request("POST", url, **options)

    async def put(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a PUT request."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a PATCH request."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: httpx.URL | str, **options: Unpack[Options]) -> Response:
        """Send a DELETE request."""
        return await self.request("DELETE", url, **options)
