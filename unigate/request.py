"""The request that every host and every application have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from .context import current_request_var
from .errors import InvalidEvent
from .http.bodies import decode_body
from .http.headers import Headers
from .http.hosts import CLIENTS, SERVERS, Address, split_host
from .http.identity import Identity
from .http.urls import decode_path, quote_path, remove_path_prefix
from .memo import Memo
from .types import Environ, Scope

if TYPE_CHECKING:
    from .cache import AsyncRuntimeCache, RuntimeCache
    from .client.geolocation import Geolocation
    from .deployment import Deployment

_new = object.__new__

# RFC 9110 section 5.6.2
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# CGI's two header keys without the prefix; some servers give them with it as well.
_CONTENT_KEYS = ("CONTENT_TYPE", "CONTENT_LENGTH")


def _method(method: Any) -> str:
    if not method:
        return "GET"
    if not isinstance(method, str) or not _TOKEN.issuperset(method):
        raise InvalidEvent(f"The event names no HTTP method: {method!r}.")
    return method.upper()


_METHODS = Memo(_method)


class Request:
    """One HTTP request, whoever brought it: an event, a server, a function platform.

    `path` is decoded once and includes `root_path`, where the host has mounted the gateway;
    `raw_path` and `query_string` are the bytes as sent. `body` is whole for events and empty where
    a server streams it to the application. `server` and `client` are (host, port), the port of a
    client 0 when unknown; `client` is None unless the host itself names the peer. `event` and
    `context` are what the platform passed, as it passed them. `deferred` is what `wait_until` was
    given, until the request is `answered`; `deployment` what the gateway knows about where it runs.
    """

    # What the environment says of a deployment; given by `unigate.deployment`, above this module.
    default_deployment: ClassVar[staticmethod[..., Deployment]]
    # How work is kept for later; given by `unigate.background`, above this module.
    defer: ClassVar[staticmethod[..., None]]

    __slots__ = (
        "_identity",
        "_path",
        "answered",
        "body",
        "client",
        "context",
        "deferred",
        "deployment",
        "event",
        "headers",
        "http_version",
        "method",
        "query_string",
        "raw_path",
        "root_path",
        "scheme",
        "server",
        "source",
    )

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
        event: Any = None,
        context: Any = None,
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
        self.event = event
        self.context = context
        self._path: str | None = None
        self.deferred: list[Any] | None = None
        self.deployment: Deployment | None = None
        self.answered = False
        self._identity: Identity | Callable[[Request], Identity | None] | None = None

    @classmethod
    def from_event(
        cls,
        method: Any,
        raw_path: bytes,
        query: str,
        headers: Headers,
        source: str,
        event: Any,
        context: Any,
        body: Any = None,
        is_base64: Any = False,
        host: Any = None,
        client: Any = None,
        root_path: str = "",
        identify: Callable[[Request], Identity | None] | None = None,
        scheme: str = "https",
    ) -> Request:
        """Build a request from what an event source found in its event.

        The sources that most events are of pass all this by position: by keyword takes longer.

        `host` is the platform's own name for the server, used when there is no Host header;
        `client` an address or (address, port); `identify` says who is asking, once that is asked.
        Raises InvalidEvent for a broken base64 body.
        """
        known = headers.single
        if known is None:
            headers.join_cookies()
            known = dict(headers.pairs)
        content = decode_body(body, is_base64) if body else b""
        length = known.get("content-length")
        # An event's Content-Length is a claim: missing, or of the body before it was encoded.
        if (content or (length is not None and length != "0")) and length != str(len(content)):
            headers.set("content-length", str(len(content)))
        if "transfer-encoding" in known:  # what was chunked on the wire has arrived whole
            headers.remove("transfer-encoding")
        proto = known.get("x-forwarded-proto")
        if proto == "https" or proto == "http":
            scheme = proto
        request = _new(cls)  # as fast as it gets: this runs for every event
        request.method = _METHODS.get(method) or _METHODS.learn(method)
        request.raw_path = raw_path
        request._path = None
        request._identity = identify
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
        listens = known.get("host") or host, scheme, known.get("x-forwarded-port")
        request.server = SERVERS.get(listens) or SERVERS.learn(listens)
        request.client = None
        if type(client) is str or type(client) is tuple:
            request.client = CLIENTS.get(client) or CLIENTS.learn(client)
        # JSON can hold halves of characters, UTF-8 cannot.
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
        path: str = scope["path"]
        raw = (scope.get("raw_path") or b"").partition(b"?")[0]  # daphne leaves the query on
        root_path = scope.get("root_path", "").rstrip("/")
        if (
            remove_path_prefix(path, root_path) is None
        ):  # a server of before the rule that it is part of it
            path = root_path + path
        if decode_path(raw) != path:  # rewritten on the way, or not given
            raw = quote_path(path)
        outer: Request | None = scope.get("unigate.request")  # of a gateway around this one
        scheme = scope.get("scheme") or "http"
        client = scope.get("client")
        server = scope.get("server")
        headers = Headers(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope.get("headers", ())
        )
        headers.join_cookies()  # HTTP/2 lets a client send one field for each
        request = cls(
            scope.get("method", "GET"),
            raw,
            query_string=scope.get("query_string", b""),
            headers=headers,
            scheme=scheme,
            # A server on a Unix socket has a path and no port; granian gives it as text.
            server=(server[0], int(server[1] or 0)) if server else split_host("localhost", scheme),
            client=(client[0], int(client[1])) if client else None,
            root_path=root_path,
            http_version=scope.get("http_version", "1.1"),
            source=outer.source if outer else "asgi",
            event=outer.event if outer else None,
            context=outer.context if outer else None,
        )
        request._path = path
        if outer is not None:
            request._identity = outer._identity
        return request

    @classmethod
    def from_environ(cls, environ: Environ) -> Request:
        """Read the request of a WSGI environ (PEP 3333); its body stays in `wsgi.input`."""
        root = environ.get("SCRIPT_NAME", "").encode("latin-1")
        path = root + environ.get("PATH_INFO", "").encode("latin-1") or b"/"
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        raw = target.partition("?")[0].encode("latin-1")
        if decode_path(raw) != path.decode("utf-8", "replace"):  # rewritten, or in absolute form
            raw = quote_path(path)
        outer: Request | None = environ.get("unigate.request")  # of a gateway around this one
        remote = environ.get("REMOTE_ADDR")
        port = str(environ.get("REMOTE_PORT") or 0)
        listens = environ["SERVER_PORT"]  # waitress puts the path of a Unix socket here
        scheme = environ["wsgi.url_scheme"]
        request = cls(
            environ["REQUEST_METHOD"],
            raw,
            query_string=environ.get("QUERY_STRING", "").encode("latin-1"),
            headers=Headers(
                (key.removeprefix("HTTP_").replace("_", "-"), value)
                for key, value in environ.items()
                if (key in _CONTENT_KEYS and value)
                or (key.startswith("HTTP_") and key[5:] not in _CONTENT_KEYS)
            ),
            scheme=scheme,
            server=(environ["SERVER_NAME"], int(listens) if listens.isdigit() else 0),
            client=(remote, int(port) if port.isdigit() else 0) if remote else None,
            root_path=root.decode("utf-8", "replace"),
            http_version=environ["SERVER_PROTOCOL"].partition("/")[2],
            source=outer.source if outer else "wsgi",
            event=outer.event if outer else None,
            context=outer.context if outer else None,
        )
        if outer is not None:
            request._identity = outer._identity
        return request

    @property
    def path(self) -> str:
        """Return the path decoded once, as UTF-8 with U+FFFD for what is none."""
        path = self._path
        if path is None:
            path = self._path = decode_path(self.raw_path)
        return path

    @property
    def target(self) -> str:
        """The path and query as in a request line (RFC 9112, section 3.2.1), Latin-1."""
        query = self.query_string.decode("latin-1")
        path = self.raw_path.decode("latin-1")
        return f"{path}?{query}" if query else path

    @property
    def identity(self) -> Identity | None:
        """Return who the platform says is asking, None where it has not verified anybody."""
        identity = self._identity
        if callable(identity):
            identity = self._identity = identity(self)
        return identity

    @property
    def geolocation(self) -> Geolocation:
        """Return where the client is; None for what nobody says who can be believed."""
        return (self.deployment or self.default_deployment()).geolocation(self)

    @property
    def ip_address(self) -> str | None:
        """Return the client's address, None where nobody says it who can be believed."""
        return (self.deployment or self.default_deployment()).ip_address(self)

    @property
    def runtime_cache(self) -> RuntimeCache:
        """Return the cache that all requests of this deployment share."""
        return (self.deployment or self.default_deployment()).runtime_cache

    @property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """Return the same cache, to be awaited."""
        return (self.deployment or self.default_deployment()).async_runtime_cache

    def wait_until(self, work: Awaitable[Any] | Callable[..., Any], *args: Any) -> None:
        """Let work go on beyond the response to this request, as `unigate.wait_until` says."""
        self.defer(self, work, *args)

    def remaining_time(self) -> float | None:
        """Return for how many seconds the platform lets this go on, None where it does not say."""
        left = getattr(self.context, "get_remaining_time_in_millis", None)
        return max(0.0, left() / 1000) if callable(left) else None

    def __eq__(self, other: object) -> bool:
        """Compare what was asked, not who passed it on (`source`, `event`, `context`)."""
        return isinstance(other, Request) and all(
            getattr(self, name) == getattr(other, name) for name in _ASKED
        )

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r} from {self.source or 'nowhere'}>"


_ASKED = tuple(
    name
    for name in Request.__slots__
    if name
    not in (
        *("_path", "_identity", "answered", "deferred", "deployment"),
        *("source", "event", "context"),
    )
)


def current_request() -> Request:
    """Return the request being answered; LookupError outside of one."""
    try:
        request: Request = current_request_var.get()
        return request
    except LookupError:
        raise LookupError("There is no current request: nothing is being answered.") from None
