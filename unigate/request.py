"""The request that every host and every application have in common."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .context import current_request_var
from .deployment import deployment_of
from .http.bodies import decode_body
from .http.headers import Headers, is_token
from .http.hosts import CLIENTS, NOTHING, SERVERS, Address, Forwarded
from .http.urls import DECODED_PATHS
from .memo import Memo

if TYPE_CHECKING:
    from .background import Deferred
    from .cache import AsyncRuntimeCache, RuntimeCache
    from .client.geolocation import Geolocation
    from .deployment import Deployment
    from .http.identity import Identity
    from .types import Environ, Given, Scope

_deferral_lock = threading.Lock()

_new = object.__new__


def _method(method: Any) -> str:
    if not method:
        return "GET"
    if not isinstance(method, str) or not is_token(method):
        from .errors import InvalidEvent  # most replies do without the exceptions

        raise InvalidEvent(f"The event's method must be an HTTP token, got {method!r}.")
    return method.upper()


_METHODS = Memo(_method)

# Bound once: to look the method of a memory up takes as long again.
_known_method = _METHODS.get
_known_server = SERVERS.get
_known_client = CLIENTS.get
_known_path = DECODED_PATHS.get


class Request:
    """An HTTP request, independent of how it arrived.

    Attributes:
        method: The method, such as "GET".
        raw_path: The path as sent, percent-encoded. `path` is the decoded one; both include
            `root_path`.
        query_string: The query as sent, without the "?".
        headers: The header fields in order, repeated ones included.
        body: The whole body of an event; empty where a server streams it to the application.
        scheme: "http" or "https", or "ws" or "wss".
        server: Host and port that the client asked for.
        client: Host and port of the peer, the port 0 if unknown; None unless the host names it.
        root_path: The path at which the host has mounted the gateway, without a "/" at the end.
        http_version: "1.1", for example.
        source: The name of the event source or the server interface.
        event: What the platform passed for the request, unchanged; None from a server.
        context: The context object that the platform passed beside it.
        deployment: The deployment of the gateway; None for a request made by hand, which the
            default deployment answers for.
        identify: Reads `identity` from the event, or None if the event names no caller.
        deferred: The work given to `wait_until`, or None.
        answered: Whether the response is complete; later work is kept only while `finish` runs.
    """

    __slots__ = (
        "_identity",
        "_path",
        "_request_id",
        "answered",
        "body",
        "client",
        "context",
        "deferred",
        "deployment",
        "event",
        "headers",
        "http_version",
        "identify",
        "method",
        "query_string",
        "raw_path",
        "root_path",
        "scheme",
        "server",
        "source",
    )

    _identity: Identity | None
    _request_id: str | None

    def __init__(
        self,
        method: str,
        raw_path: bytes = b"/",
        *,
        query_string: bytes = b"",
        headers: Headers | None = None,
        body: bytes = b"",
        scheme: str = "https",
        server: Address = ("localhost", 443),
        client: Address | None = None,
        root_path: str = "",
        http_version: str = "1.1",
        source: str = "",
        event: object = None,
        context: object = None,
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.query_string = query_string
        self.headers = Headers() if headers is None else headers
        self.body = body
        self.scheme = scheme
        self.server = server
        self.client = client
        self.root_path = root_path
        self.http_version = http_version
        self.source = source
        self.event: Any = event
        self.context: Any = context
        self._path: str | None = None
        self.deferred: Deferred | None = None
        self.deployment: Deployment | None = None
        self.answered = False
        self.identify: Callable[[Request], Identity | None] | None = None

    @classmethod
    def from_event(
        cls,
        method: object,
        raw_path: bytes,
        query: str,
        headers: Headers,
        source: str,
        event: object,
        context: object,
        body: object = None,
        is_base64: object = False,
        host: Any = None,
        client: object = None,
        root_path: str = "",
        identify: Callable[[Request], Identity | None] | None = None,
        forwarded: Forwarded = NOTHING,
        scheme: str = "https",
    ) -> Request:
        """Build the request of an event.

        The sources of most events pass everything by position: keywords take longer.

        Args:
            host: The platform's own name for the server, used if there is no Host header.
            client: The peer: an address, or an address and a port.
            identify: Reads the identity from the request, at first use.
            forwarded: Which of X-Forwarded-Proto and X-Forwarded-Port the platform writes itself.
                They name scheme and port; the others can be the client's.
            scheme: The scheme, unless X-Forwarded-Proto names one.

        Raises:
            InvalidEvent: For a method that is not a token, and a body that is not the base64 it
                claims to be.
        """
        known = headers.single
        if known is None:
            headers.join_cookies()
            known = headers.last_values()
        content = decode_body(body, is_base64) if body else b""
        length = known.get("content-length")
        # An event's Content-Length may be missing, or count the body before it was encoded.
        if (content or (length is not None and length != "0")) and length != str(len(content)):
            headers.set("content-length", str(len(content)))
        if "transfer-encoding" in known:  # a body that was chunked on the wire is whole here
            headers.remove("transfer-encoding")
        has_scheme, has_port = forwarded
        if has_scheme:
            proto = known.get("x-forwarded-proto")
            if proto == "https" or proto == "http":
                scheme = proto
            elif proto and proto.lower() in ("https", "http"):  # LocalStack's is "HTTP"
                scheme = proto.lower()
        request = _new(cls)  # this runs for every event, and a constructor takes longer
        request.method = _known_method(method) or _METHODS.learn(method)
        request.raw_path = raw_path
        request._path = None
        request.identify = identify
        request.deferred = None
        request.deployment = None
        request.answered = False
        try:
            request.query_string = query.encode()
        except UnicodeEncodeError:
            request.query_string = query.encode("utf-8", "replace")
        request.headers = headers
        request.body = content
        request.scheme = scheme
        port = known.get("x-forwarded-port") if has_port else None
        listens = known.get("host") or host, scheme, port
        request.server = _known_server(listens) or SERVERS.learn(listens)
        request.client = None
        if type(client) is str or type(client) is tuple:
            request.client = _known_client(client) or CLIENTS.learn(client)
        # JSON can hold half of a surrogate pair, UTF-8 cannot.
        if root_path and not root_path.isascii():
            root_path = root_path.encode("utf-8", "replace").decode("utf-8")
        request.root_path = root_path
        request.http_version = "1.1"
        request.source = source
        request.event = event
        request.context = context
        return request

    @classmethod
    def from_scope(cls, scope: Scope) -> Request:
        """Read the request of an ASGI HTTP or WebSocket scope; its body stays with `receive`."""
        # Functions for events do without it.
        from .server_requests import read_scope, read_scope_path

        path, raw_path, root_path = read_scope_path(scope)
        request = cls(raw_path=raw_path, root_path=root_path, **read_scope(scope))
        request._path = path
        request._take_origin(scope.get("unigate.request"), "asgi")
        return request

    @classmethod
    def from_environ(cls, environ: Environ) -> Request:
        """Read the request of a WSGI environ (PEP 3333); its body stays in `wsgi.input`."""
        from .server_requests import read_environ

        request = cls(**read_environ(environ))
        request._take_origin(environ.get("unigate.request"), "wsgi")
        return request

    def _take_origin(self, outer: Request | None, server: str) -> None:
        """Take what the request of a gateway around this one knows, else the server's interface."""
        self.source = server
        if outer is not None:
            self.source = outer.source
            self.event = outer.event
            self.context = outer.context
            self.identify = outer.identify

    def move(self, raw_path: bytes, root_path: str) -> None:
        """Give this another path and root path, both as clients see them."""
        self.raw_path = raw_path
        self.root_path = root_path
        self._path = None

    @property
    def path(self) -> str:
        """The decoded path; invalid UTF-8 becomes U+FFFD."""
        path = self._path
        if path is None:
            raw = self.raw_path
            path = self._path = _known_path(raw) or DECODED_PATHS.learn(raw)
        return path

    @property
    def target(self) -> str:
        """The path and query as in a request line (RFC 9112, section 3.2.1), as Latin-1."""
        query = self.query_string.decode("latin-1")
        path = self.raw_path.decode("latin-1")
        return f"{path}?{query}" if query else path

    @property
    def identity(self) -> Identity | None:
        """The caller that the platform authenticated, or None; one shape for all authorizers."""
        if self.identify is None:
            return None
        try:
            return self._identity
        except AttributeError:  # not set before it is needed
            self._identity = self.identify(self)
            return self._identity

    @property
    def request_id(self) -> str | None:
        """The platform's identifier of the request, or None.

        It is the one that the client and the platform's access log have, such as API Gateway's
        `requestContext.requestId`; without one it is the invocation's, such as AWS Lambda's
        `aws_request_id`. X-Request-ID counts only from `trusted_proxies`. SECURITY.md lists where
        each comes from.
        """
        try:
            return self._request_id
        except AttributeError:  # not set before it is needed
            self._request_id = deployment_of(self).request_id(self)
            return self._request_id

    @property
    def geolocation(self) -> Geolocation:
        """The client's location; a field is None unless a trusted source provides it."""
        return deployment_of(self).geolocation(self)

    @property
    def ip_address(self) -> str | None:
        """The client's address in its normal form; None if no trusted source provides it."""
        return deployment_of(self).ip_address(self)

    @property
    def runtime_cache(self) -> RuntimeCache:
        """The cache that all requests of the deployment share."""
        return deployment_of(self).runtime_cache

    @property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache for asynchronous code."""
        return deployment_of(self).async_runtime_cache

    def wait_until(
        self, work: Awaitable[object] | Callable[[*Given], object], *args: *Given
    ) -> None:
        """Run work after the response to this request; see `unigate.wait_until`.

        For a request made by hand, `finish` runs it.
        """
        from .background import defer  # few requests need it

        defer(self.deferral(), work, *args)

    def deferral(self) -> Deferred:
        """Return `deferred`, made at first use, and closed if this was answered before that."""
        from .background import Deferred

        # Under the lock as a whole: another thread must not add to it before it may be closed.
        with _deferral_lock:
            deferred = self.deferred
            if deferred is None:
                deferred = self.deferred = Deferred(self.context)
                if self.answered:  # too late for `finish` to see it
                    deferred.close()
            return deferred

    def mark_answered(self) -> Deferred | None:
        """Note that the response is complete; return the work given to `wait_until`, if any."""
        self.answered = True
        return self.deferred

    def finish(self) -> None:
        """Mark this as answered, and run the work given to `wait_until` in this thread."""
        deferred = self.mark_answered()
        if deferred is not None:
            deferred.finish()

    async def finish_async(self) -> None:
        """Mark this as answered, and run the work given to `wait_until` on this event loop."""
        deferred = self.mark_answered()
        if deferred is not None:
            await deferred.finish_async()

    def remaining_time(self) -> float | None:
        """Return how many seconds the platform lets the invocation run; None without a limit."""
        from .background import remaining_seconds

        return remaining_seconds(self.context)

    def __eq__(self, other: object) -> bool:
        """Compare the request itself, not how it arrived (`source`, `event`, `context`)."""
        return isinstance(other, Request) and all(
            getattr(self, name) == getattr(other, name) for name in _COMPARED
        )

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r} from {self.source or 'nowhere'}>"


_COMPARED = (
    *("method", "raw_path", "query_string", "headers", "body", "scheme", "server", "client"),
    *("root_path", "http_version"),
)


def current_request() -> Request:
    """Return the request that is being answered.

    Raises:
        LookupError: Outside of a request.
    """
    try:
        request: Request = current_request_var.get()
        return request
    except LookupError:
        raise LookupError(
            "There is no current request: call current_request() while a request is being answered."
        ) from None
