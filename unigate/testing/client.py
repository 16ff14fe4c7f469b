"""The client, and the response that it returns."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode, urljoin, urlsplit

from unigate.emulator import BASE_URL, find_host, make_request
from unigate.events import EventSource, name_of
from unigate.http import Headers, latin1
from unigate.import_strings import import_from
from unigate.lambda_runtime.wrapped import handler_of
from unigate.request import Request

from .cookies import Cookies

MAX_REDIRECTS = 20
_REDIRECTS = (301, 302, 303, 307, 308)

_MISSING: Any = object()  # None is a JSON value


class Options(TypedDict, total=False):
    """The keyword arguments of `Client.request`."""

    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    data: bytes | str | Mapping[str, Any] | None
    json: Any
    cookies: Mapping[str, str] | None
    base64: bool
    follow_redirects: bool


class Client:
    """Send requests to an application in this process, as a given host would, and keep cookies.

    Args:
        app: A gateway, or anything that `unigate.wrap` accepts, such as "main:app". It may also be
            a handler of events around a gateway, such as a decorated one: platforms that pass
            events call it, and others the gateway.
        source: The name of an event source ("http_api", "function_url", "rest_api", "alb", ...),
            "google", "azure", or a server ("asgi", "wsgi"); or a custom event source.
        base_url: What relative URLs are appended to; its host must be in Django's ALLOWED_HOSTS,
            which allow the default, "localhost", while DEBUG is set.
    """

    def __init__(
        self,
        app: Any,
        source: str | EventSource = "http_api",
        *,
        base_url: str = BASE_URL,
    ) -> None:
        if isinstance(app, str):
            app = import_from(app)
        handler, self.app = handler_of(app)
        self.cookies = Cookies(base_url)
        self._base = base_url.rstrip("/")
        self._host = find_host(source, handler)
        self._source = source if isinstance(source, str) else name_of(source)

    def get(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a GET request."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a HEAD request."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Unpack[Options]) -> Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a POST request."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a PATCH request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[Options]) -> Response:
        """Send a DELETE request."""
        return self.request("DELETE", url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        data: bytes | str | Mapping[str, Any] | None = None,
        json: Any = _MISSING,
        cookies: Mapping[str, str] | None = None,
        base64: bool = False,
        follow_redirects: bool = False,
    ) -> Response:
        """Send a request and return the response.

        Args:
            method: The method; it is sent in upper case.
            url: A path with its query, or an absolute URL.
            headers: The header fields, as a mapping or as pairs.
            data: The body, or the fields of a form; a list as a value repeats its field.
            json: Any JSON value to send as the body.
            cookies: Cookies for this request only, in addition to those that the client keeps.
            base64: Encode the event's body even if it is text, as a gateway with binary media
                types does. Ignored for sources whose events do not declare the encoding.
            follow_redirects: Follow redirects as browsers do.

        Raises:
            TypeError: If both data and json are given.
            RuntimeError: If there are more than 20 redirects.
        """
        fields = Headers(headers.items() if isinstance(headers, Mapping) else headers or ())
        body, content_type = _body(data, json)
        if content_type and "content-type" not in fields:
            fields.add("content-type", content_type)
        if not url.startswith(("http://", "https://")):
            url = f"{self._base}/{url.removeprefix('/')}"
        prepared = _PreparedRequest(method.upper(), url, fields, body, cookies or {})
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(prepared, base64)
            location = response.headers.get("location")
            if not follow_redirects or response.status_code not in _REDIRECTS or not location:
                return response
            prepared = prepared.redirected(response.status_code, location)
        raise RuntimeError(
            f"The request must end within {MAX_REDIRECTS} redirects, got one more to "
            f"{prepared.url}."
        )

    def _send(self, prepared: _PreparedRequest, base64: bool) -> Response:
        url, cookies = prepared.url, prepared.cookies
        request = make_request(prepared.method, url, prepared.headers, prepared.body)
        kept = prepared.headers.get("cookie") or self.cookies.header(url)
        pairs = [pair for pair in kept.split("; ") if pair.partition("=")[0] not in cookies]
        pairs += [f"{name}={value}" for name, value in cookies.items()]
        if any(pairs):
            request.headers.set("cookie", latin1("; ".join(filter(None, pairs))))
        request.source = self._source
        event, reply, raw = self._host(self.app, request, base64)
        self.cookies.take(raw.headers, url)
        own = Cookies(self._base)
        own.take(raw.headers, url)
        return Response(raw.status, raw.headers, raw.body, own, request, event, reply)


@dataclass(frozen=True)
class _PreparedRequest:
    """A request before the client adds its cookies."""

    method: str
    url: str
    headers: Headers
    body: bytes
    cookies: Mapping[str, str]

    def redirected(self, status: int, location: str) -> _PreparedRequest:
        """Return the request that follows a redirect.

        Source: the Fetch standard, section 4.4, "HTTP-redirect fetch".
        """
        request = replace(self, url=urljoin(self.url, location))
        if (status == 303 and self.method != "HEAD") or (status < 303 and self.method == "POST"):
            kept = [field for field in request.headers if not field[0].startswith("content-")]
            request = replace(request, method="GET", body=b"", headers=Headers(kept))
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            private = ("authorization", "cookie", "host")
            kept = [field for field in request.headers if field[0] not in private]
            request = replace(request, headers=Headers(kept), cookies={})
        return request


@dataclass(frozen=True, repr=False)
class Response:
    """A response, and how it got here.

    Attributes:
        status_code: The status.
        headers: The header fields, every Set-Cookie included.
        content: The body.
        cookies: The cookies that this response sets.
        request: The request as the client sent it.
        event: The event that the platform would send; None for a server.
        reply: The application's reply to the event; None for a server.
    """

    status_code: int
    headers: Headers
    content: bytes
    cookies: Cookies
    request: Request
    event: Any
    reply: Any

    @property
    def text(self) -> str:
        """The body, decoded in the charset of its Content-Type or else as UTF-8."""
        message = Message()
        message["content-type"] = self.headers.get("content-type") or "text/plain"
        try:
            return self.content.decode(message.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the parsed JSON body.

        Raises:
            ValueError: If the body is not JSON.
        """
        return json_module.loads(self.content)

    def __repr__(self) -> str:
        return f"<Response {self.status_code}, {len(self.content)} bytes>"


def _body(data: bytes | str | Mapping[str, Any] | None, json: Any) -> tuple[bytes, str]:
    """Return the body and its implied content type, or "" if there is none."""
    if json is not _MISSING:
        if data is not None:
            raise TypeError("A request has one body: pass data or json, not both.")
        return json_module.dumps(json).encode(), "application/json"
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    return data.encode() if isinstance(data, str) else data or b"", ""
