"""A client for tests: each request goes to the application as a host would bring it.

    client = Client(app, source="rest_api")
    assert client.get("/users/ada").json() == {"name": "ada"}

An exception in the application is a 500, as it is for a host; to see it in the test, wrap the
application with `on_error="raise"`.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import Request as UrllibRequest

from .emulator import BASE_URL, host_named, make_request
from .events import EventSource, name_of
from .gateway import Gateway, wrap
from .http import Headers, latin1
from .interfaces import import_from
from .request import Request

__all__ = ["Client", "Cookies", "Response"]

MOST_REDIRECTS = 20

_NOTHING: Any = object()  # None is a JSON value


class Options(TypedDict, total=False):
    """What a request may have; see `Client.request`."""

    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    data: bytes | str | Mapping[str, Any] | None
    json: Any
    cookies: Mapping[str, str] | None
    base64: bool
    follow_redirects: bool


class Client:
    """Ask an application in this process, by way of any host, and keep its cookies.

    app: what `unigate.wrap` made, or what it takes.
    source: the name of an event source ("http_api", "function_url", "rest_api", "alb", ...) or a
        source of your own, "google" or "azure", or a server: "asgi" or "wsgi".
    base_url: where the application seems to live; Django wants its host in ALLOWED_HOSTS.
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
        self.app: Gateway = app if isinstance(app, Gateway) else wrap(app)
        self.cookies = Cookies(base_url)
        self._base = base_url.rstrip("/")
        self._host = host_named(source)
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
        json: Any = _NOTHING,
        cookies: Mapping[str, str] | None = None,
        base64: bool = False,
        follow_redirects: bool = False,
    ) -> Response:
        """Send a request and return the response; TypeError where data and json are both given.

        url: a path with its query, or an absolute URL.
        data: the body, or the fields of a form; a list as a value repeats its field.
        json: any JSON value to send as the body.
        cookies: cookies of this request alone, beside those that the client keeps.
        base64: True encodes the event's body even if it is text, as a gateway with binary media
            types does. It means nothing to sources whose events do not say which it is.
        """
        fields = headers.items() if isinstance(headers, Mapping) else headers or ()
        given = Headers(fields)
        body, content_type = _body(data, json)
        if content_type and "content-type" not in given:
            given.add("content-type", content_type)
        method = method.upper()
        if not url.startswith(("http://", "https://")):
            url = f"{self._base}/{url.removeprefix('/')}"
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(method, url, given, body, cookies or {}, base64)
            status = response.status_code
            location = response.headers.get("location")
            if not follow_redirects or status not in (301, 302, 303, 307, 308) or not location:
                return response
            # As browsers do (Fetch standard, section 4.4, "HTTP-redirect fetch").
            if (status == 303 and method != "HEAD") or (status < 303 and method == "POST"):
                method, body = "GET", b""
                given = Headers(field for field in given if not field[0].startswith("content-"))
            before, url = url, urljoin(url, location)
            if urlsplit(url).netloc != urlsplit(before).netloc:
                own = ("authorization", "cookie", "host")
                given, cookies = Headers(field for field in given if field[0] not in own), {}
        raise RuntimeError(f"There were more than {MOST_REDIRECTS} redirects, the last to {url}.")

    def _ask(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes,
        cookies: Mapping[str, str],
        base64: bool,
    ) -> Response:
        request = make_request(method, url, headers, body)
        known = headers.get("cookie") or self.cookies.header(url)
        pairs = [pair for pair in known.split("; ") if pair.partition("=")[0] not in cookies]
        pairs += [f"{name}={value}" for name, value in cookies.items()]
        if any(pairs):
            request.headers.set("cookie", latin1("; ".join(filter(None, pairs))))
        request.source = self._source
        event, reply, answer = self._host(self.app, request, base64)
        self.cookies.take(answer.headers, url)
        own = Cookies(self._base)
        own.take(answer.headers, url)
        return Response(answer.status, answer.headers, answer.body, own, request, event, reply)


@dataclass(frozen=True, repr=False)
class Response:
    """What a client got: `event` and `reply` are the platform's, None for a server.

    `cookies` are those that this response has set, `headers` keep them as they came.
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
        """Return the body in the charset that its Content-Type names, else UTF-8."""
        message = Message()
        message["content-type"] = self.headers.get("content-type") or "text/plain"
        try:
            return self.content.decode(message.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body read as JSON; ValueError if it is none."""
        return json_module.loads(self.content)

    def __repr__(self) -> str:
        return f"<Response {self.status_code}, {len(self.content)} bytes>"


class Cookies(MutableMapping[str, str]):
    """Keep cookies as a browser does, and show them by name."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._jar = CookieJar(_Policy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))

    def take(self, headers: Headers, url: str) -> None:
        """Take what the answer to a request for a URL sets, and drop what it expires."""
        answer: Any = SimpleNamespace(
            info=lambda: SimpleNamespace(get_all=lambda name, default: headers.getlist(name))
        )
        self._jar.extract_cookies(answer, UrllibRequest(url))

    def header(self, url: str) -> str:
        """Return the Cookie header of a request for a URL, "" for none."""
        request = UrllibRequest(url)
        self._jar.add_cookie_header(request)
        return str(request.get_header("Cookie", ""))

    def _live(self) -> dict[str, Cookie]:
        return {cookie.name: cookie for cookie in self._jar if not cookie.is_expired()}

    def __getitem__(self, name: str) -> str:
        return self._live()[name].value or ""

    def __setitem__(self, name: str, value: str) -> None:
        """Set a cookie for every path of the client's own host."""
        self.take(Headers([("set-cookie", f"{name}={value}; Path=/")]), self._base)

    def __delitem__(self, name: str) -> None:
        """Drop the cookies of a name, whatever their path and domain."""
        del self._live()[name]
        for cookie in list(self._jar):
            if cookie.name == name:
                self._jar.clear(cookie.domain, cookie.path, cookie.name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._live())

    def __len__(self) -> int:
        return len(self._live())

    def __repr__(self) -> str:
        return f"Cookies({dict(self)!r})"


class _Policy(DefaultCookiePolicy):
    """The rules of RFC 6265; without this, `Domain=localhost` is taken and never sent back."""

    def return_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        host = urlsplit(request.full_url).hostname
        return cookie.domain == f".{host}" or super().return_ok_domain(cookie, request)


def _body(data: bytes | str | Mapping[str, Any] | None, json: Any) -> tuple[bytes, str]:
    """Return the bytes to send, and their type where it goes without saying."""
    if json is not _NOTHING:
        if data is not None:
            raise TypeError("A request has one body: give data or json, not both.")
        return json_module.dumps(json).encode(), "application/json"
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    return data.encode() if isinstance(data, str) else data or b"", ""
