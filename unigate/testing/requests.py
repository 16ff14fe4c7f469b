"""The requests of the clients, built of what httpx takes and of what its clients leave out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from http.cookiejar import CookieJar
from typing import Any, Protocol, TypedDict
from urllib.parse import urlsplit

import httpx

from unigate.http import latin1

from .cookies import Cookies, pairs_of
from .counterparts import check_client_options, check_options
from .transport import ASKED, Asked

_Headers = (
    Mapping[str, str]
    | Mapping[bytes, bytes]
    | Iterable[tuple[str, str]]
    | Iterable[tuple[bytes, bytes]]
    | None
)
CookiesOption = Mapping[str, str] | CookieJar | list[tuple[str, str]] | None
_Timeout = float | tuple[float | None, float | None, float | None, float | None] | httpx.Timeout
_Params = httpx.QueryParams | Mapping[str, Any] | Sequence[tuple[str, Any]] | str | bytes | None


# A URL with a scheme and an authority (RFC 3986, section 3).
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Options(TypedDict, total=False):
    """The keyword arguments of requests: those of httpx, and these.

    Attributes:
        headers: The header fields, as a mapping or as pairs. Text beyond Latin-1 is sent as UTF-8.
        data: The fields of a form, a list repeats its field; or text or bytes, as `content`.
        json: Any JSON value to send as the body, None included.
        cookies: Cookies for this request only, in addition to those that the client keeps.
        base64: Encode the event's body even if it is text, as a gateway with binary media types
            does. Ignored for sources whose events do not declare the encoding.
    """

    content: str | bytes | Iterable[bytes] | AsyncIterable[bytes] | None
    data: bytes | str | Mapping[str, Any] | None
    files: Mapping[str, Any] | Sequence[tuple[str, Any]] | None
    json: Any
    params: _Params
    headers: _Headers
    cookies: CookiesOption
    extensions: Mapping[str, Any] | None
    base64: bool
    # The class of httpx's default of these is private.
    auth: Any
    follow_redirects: Any
    timeout: Any


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of clients that are httpx's.

    Attributes:
        timeout: How long to wait for an answer, in seconds: that of `httpx.Timeout.read`. Then
            `httpx.ReadTimeout` is raised, while the application goes on in its thread. None, the
            default, waits.
    """

    auth: tuple[str | bytes, str | bytes] | httpx.Auth | None
    params: _Params
    headers: _Headers
    cookies: CookiesOption
    follow_redirects: bool
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]] | None
    default_encoding: str | Callable[[bytes], str]
    timeout: _Timeout | None


class KeepingClient(Protocol):
    """What is needed of a client."""

    @property
    def cookies(self) -> Cookies: ...
    @property
    def headers(self) -> httpx.Headers: ...
    @property
    def base_url(self) -> httpx.URL: ...


def client_options(options: ClientOptions, base_url: str) -> Any:
    """Return the options of httpx's client.

    Raises:
        TypeError: An option is not known, such as those that httpx has for a network.
        ValueError: The base URL is none.
    """
    check_client_options(options, ClientOptions.__annotations__)
    if not (str(base_url).startswith(("http://", "https://")) and urlsplit(str(base_url)).hostname):
        raise ValueError(
            f'base_url must be a URL with a host, such as "https://localhost", got {base_url!r}.'
        )
    headers = httpx.Headers(_encoded(options.get("headers")))
    headers.setdefault("user-agent", "unigate")
    rest = {name: value for name, value in options.items() if name not in ("cookies", "headers")}
    return {"timeout": None, **rest, "headers": headers}


def finish(client: KeepingClient, options: ClientOptions) -> None:
    """Set the cookies, and leave out httpx's fields that a client need not send.

    With Accept-Encoding, applications would compress what tests look at.
    """
    client.cookies.update(options.get("cookies"))
    given = httpx.Headers(_encoded(options.get("headers")))
    for name in {"accept-encoding", "connection"} - set(given):
        del client.headers[name]


def sending_options(options: Any) -> dict[str, Any]:
    """Take out the options that are for sending a request, not for building it."""
    names = ("auth", "follow_redirects")
    return {name: options.pop(name) for name in names if name in options}


def build(
    client: KeepingClient,
    make: Callable[..., httpx.Request],
    method: str,
    url: httpx.URL | str,
    options: dict[str, Any],
) -> httpx.Request:
    """Build a request with httpx's method, of the options that are described at `Options`."""
    check_options(options, Options.__annotations__)
    if not isinstance(url, (str, httpx.URL)):
        raise TypeError(f"url must be text or an httpx.URL, got {url!r}.")
    written = str(url)
    if not _ABSOLUTE.match(written):
        written = f"{str(client.base_url).rstrip('/')}/{written.removeprefix('/')}"
    base64 = options.pop("base64", False)
    headers = httpx.Headers(client.headers)
    headers.update(_encoded(options.pop("headers", None)))
    headers.encoding = "latin-1"
    sent = headers.get("cookie") or client.cookies.header(written)
    cookies = _merged(sent, options.pop("cookies", None))
    if cookies:
        headers["cookie"] = latin1(cookies)
    _set_body(headers, options)
    request = make(method, written, headers=headers.raw, **options)
    if not cookies:
        request.headers.pop("cookie", None)  # httpx has other rules, see transport
    if request.url != httpx.URL(written):
        written = str(request.url)  # with the parameters of the client or the request
    request.extensions = {
        **request.extensions,
        ASKED: Asked(request.url, written, client.cookies, base64),
    }
    return request


def _set_body(headers: httpx.Headers, options: dict[str, Any]) -> None:
    """Replace what httpx would not take as a body, or would take for none."""
    if "json" in options and options.get("data") is not None:
        raise TypeError("A request has one body: pass data or json, not both.")
    if isinstance(options.get("data"), (bytes, str)):
        options["content"] = options.pop("data")
    if "json" in options and options["json"] is None:
        options["content"] = b"null"
        headers.setdefault("content-type", "application/json")


def _merged(header: str, cookies: CookiesOption) -> str:
    """Return a Cookie header with cookies of one request, which replace others of their name."""
    if isinstance(cookies, CookieJar):
        cookies = [(cookie.name, cookie.value or "") for cookie in cookies]
    added = dict(pairs_of("cookies", cookies))
    pairs = [pair for pair in header.split("; ") if pair.partition("=")[0] not in added]
    return "; ".join(filter(None, [*pairs, *(f"{name}={added[name]}" for name in added)]))


def _encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    """Return header fields as httpx sends them unchanged."""
    if isinstance(headers, httpx.Headers):
        return headers.raw
    return [(_bytes(name), _bytes(value)) for name, value in pairs_of("headers", headers)]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else latin1(text).encode("latin-1")
