"""Azure Functions: `azure.functions.HttpRequest` in, `azure.functions.HttpResponse` out.

The route prefix of the function app is the root path. The host rewrites the path of the URL so that
"%2525" and "%25" look the same: the request line that App Service preserves in a header counts, if
it is for the same path. Each header has one value. A body without Content-Length does not arrive.
App Service writes the last entry of X-Forwarded-For, with a port, which is removed there for
frameworks. The caller's identity counts only if the
platform reports that it authenticates (WEBSITE_AUTH_ENABLED), because otherwise clients can send
those headers.

Repeated header fields are joined; characters beyond ASCII are percent-encoded, because the host
fails on them. Of several cookies one is sent unchanged, the others through the host's own writer,
which percent-encodes values and supports seven attributes. So the unchanged cookie is the first
that the writer would alter, and a warning names those that it does alter. With Microsoft's
extension for HTTP streams nothing is altered.

Sources: Azure/azure-functions-host, `GrpcMessageConversionExtensions.cs` and `RawScriptResult.cs`;
Azure/azure-functions-python-library, `azure/functions/http.py`; Microsoft Learn, "Azure Functions
HTTP trigger" and "Work with user identities in Azure App Service authentication".
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from unigate.http import (
    Headers,
    Identity,
    Response,
    decode_base64,
    decode_path,
    forwarded_peer,
    json_object,
    json_text,
    parse_scopes,
    raw_path,
    remove_path_prefix,
    without_ports,
)
from unigate.request import Request
from unigate.types import ASGIApp, Receive, Scope, Send

from .azure_cookies import parse_cookies, unchanged_index
from .forwarded import BELIEVED
from .writing import proxied_headers, query_values, quoted_target, unwrap_single

MAX_REPLY = sys.maxsize  # no limit is documented, and replies are not JSON

_URL = re.compile(r"(?:(\w+)://([^/?]*))?([^?]*)\??(.*)", re.DOTALL)


def matches(event: Any) -> bool:
    """Return False: Azure passes no events, its requests arrive through `Gateway.azure`."""
    return False


def to_request(event: Any, context: Any) -> Request:
    """Read a request."""
    # The host decodes header values as UTF-8; here they are Latin-1.
    fields = {n: v.encode("utf-8", "replace").decode("latin-1") for n, v in event.headers.items()}
    headers = Headers.from_map(fields)
    request = _read(event.method, event.url, headers, event, context)
    body = event.get_body()
    if body:
        request.body = body
        request.headers.set("content-length", str(len(body)))
    return request


def _read(method: str, url: str, headers: Headers, event: Any, context: Any) -> Request:
    match = _URL.match(url)
    assert match is not None  # every part can be empty
    scheme, host, path, query = match.groups()
    raw = _as_sent(path, headers)
    client = forwarded_peer(headers)
    forwarded = headers.get("x-forwarded-for")
    if forwarded and ":" in forwarded:
        headers.set("x-forwarded-for", without_ports(forwarded))
    authenticates = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    return Request.from_event(
        method,
        raw,
        query=query,
        headers=headers,
        scheme=scheme or "https",
        host=host,
        client=client,
        root_path=_root_path(decode_path(raw)),
        source="azure",
        forwarded=BELIEVED["azure"],
        event=event,
        context=context,
        identify=_identify if authenticates else None,
    )


def _as_sent(path: str, headers: Headers) -> bytes:
    """Return the request line's path if a header has one that the host turns into this path."""
    decoded = unquote_to_bytes(path)
    for name in ("x-waws-unencoded-url", "x-original-url"):
        sent = (headers.get(name) or "").partition("?")[0]
        once = unquote_to_bytes(sent)
        if sent and decoded in (once, unquote_to_bytes(once)):
            return raw_path(sent)
    return raw_path(path)


def _root_path(path: str) -> str:
    """Return the route prefix in the request's spelling: routes are case-insensitive."""
    folder = os.environ.get(_SCRIPT_ROOT, "")
    hosted = bool(folder or os.environ.get("FUNCTIONS_WORKER_RUNTIME"))
    prefix = _route_prefix(os.environ.get(_PREFIX), folder, hosted)
    return (
        path[: len(prefix)] if remove_path_prefix(path.lower(), prefix.lower()) is not None else ""
    )


_PREFIX = "AzureFunctionsJobHost__extensions__http__routePrefix"
_SCRIPT_ROOT = "AzureWebJobsScriptRoot"


@cache
def _route_prefix(setting: str | None, folder: str, hosted: bool) -> str:
    """Return the prefix of every route: from the setting, else host.json, else "/api".

    A process without host.json that the host did not start is a test: it has no prefix, as in the
    set-up of docs/platforms/azure.md.
    """
    if setting is None:
        config = None
        with (
            suppress(OSError),
            open(os.path.join(folder, "host.json"), encoding="utf-8", errors="replace") as file,
        ):
            config = _COMMENT.sub(r"\1", file.read())
        match = re.search(r'"routePrefix"\s*:\s*"([^"]*)"', config or "", re.IGNORECASE)
        default = "api" if hosted or config is not None else ""
        setting = match[1] if match else default
    prefix = setting.strip("/")
    return f"/{prefix}" if prefix else ""


# The host accepts comments in JSON; strings must stay.
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _identify(request: Request) -> Identity | None:
    """Return the caller that App Service signed in; it removes these headers from requests."""
    headers = request.headers
    try:
        principal = json_object(
            json.loads(decode_base64(headers.get("x-ms-client-principal") or ""))
        )
    except (ValueError, RecursionError):
        principal = {}
    user = headers.get("x-ms-client-principal-id") or headers.get("x-ms-client-principal-name")
    user = user or json_text(principal.get("userId"))  # the name in Static Web Apps
    if not user and not principal:
        return None
    listed = principal.get("claims")
    if not isinstance(listed, list):
        return Identity("principal", user, principal)
    values: dict[str, list[Any]] = {}
    for claim in map(json_object, listed):
        values.setdefault(str(claim.get("typ")), []).append(claim.get("val"))
    claims = unwrap_single(values)
    scope = claims.get("scp") or claims.get("http://schemas.microsoft.com/identity/claims/scope")
    provider = headers.get("x-ms-client-principal-idp") or principal.get("auth_typ")
    return Identity("principal", user, {"auth_typ": provider, **claims}, parse_scopes(scope))


# --- the reply -----------------------------------------------------------------------------------


def to_reply(response: Response, event: Any) -> Any:
    """Write a reply: an `azure.functions.HttpResponse`."""
    return _response_class()(response)


@cache
def _response_class() -> Any:
    """Return a subclass of Microsoft's response whose headers the worker writes as we need."""
    from azure.functions import HttpResponse

    # Microsoft does not export this class.
    class Fields(type(HttpResponse().headers)):  # type: ignore[misc]
        """Header fields from which the worker gets all cookies but one in parsed form."""

        def get_all(self, name: str) -> list[Any]:
            values: list[Any] = super().get_all(name)
            return parse_cookies(values) if name.lower() == "set-cookie" else values

        def pop(self, name: str, *default: Any) -> Any:
            values = super().get_all(name)
            popped = super().pop(name, *default)
            if name.lower() == "set-cookie" and values:
                self[name] = values[unchanged_index(values)]
            return popped

    class Answer(HttpResponse):
        def __init__(self, response: Response) -> None:
            # No media type, else the worker adds text/plain if the application has none.
            super().__init__(response.body, status_code=response.status, mimetype="")
            joined = response.headers.joined()
            joined.pop("set-cookie", None)
            cookies = [("set-cookie", value) for value in response.headers.getlist("set-cookie")]
            self._fields = Fields((name, _ascii(v)) for name, v in [*joined.items(), *cookies])

        @property
        def headers(self) -> Any:
            return self._fields

    return Answer


def _ascii(value: str) -> str:
    """Percent-encode the characters that Kestrel rejects in a field."""
    return quote(value.encode("latin-1", "replace"), safe=_PRINTABLE)


_PRINTABLE = b"\t" + bytes(range(32, 127))


# --- HTTP streams --------------------------------------------------------------------------------


def answer_streaming(asgi: ASGIApp, request: Any, context: Any = None) -> Any:
    """Return the response to a request of `azurefunctions-extensions-http-fastapi`.

    The extension sends a response by calling it as an ASGI application; this one calls `asgi`.
    """
    from fastapi import Response as FastAPIResponse

    class Live(FastAPIResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await asgi(_bare(scope, request, context), receive, send)

    return Live()


def _bare(scope: Scope, event: Any, context: Any) -> Scope:
    """Return the server's scope without FastAPI's members, with values that only Azure has."""
    fields = list(scope["headers"])  # an iterator has them once
    headers = Headers((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields)
    url = f"{scope['scheme']}://{headers.get('host') or ''}{scope['raw_path'].decode('latin-1')}"
    outer = _read(scope["method"], url, headers, event, context)
    bare = {name: scope[name] for name in _SCOPE if name in scope}
    paths = {name: getattr(outer, name) for name in ("path", "raw_path", "root_path")}
    fields = [
        (name, without_ports(value.decode("latin-1")).encode("latin-1"))
        if name == b"x-forwarded-for"
        else (name, value)
        for name, value in fields
    ]
    said = {"scheme": outer.scheme, "client": outer.client, "unigate.request": outer}
    return bare | paths | said | {"headers": fields}


_SCOPE = ("type", "asgi", "http_version", "method", "query_string", "server")


# --- the other direction -------------------------------------------------------------------------


def make_event(request: Request) -> Any:
    """Build the request of a function app behind App Service."""
    from azure.functions import HttpRequest

    headers = proxied_headers(request)
    if request.client and request.client[1]:
        host, port = request.client
        entry = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        peers = headers["x-forwarded-for"].removesuffix(host)
        headers.set("x-forwarded-for", peers + entry)
    name, port = request.server
    target = quoted_target(request)
    headers.set("x-waws-unencoded-url", target)
    host = headers.get("host") or (f"[{name}]:{port}" if ":" in name else f"{name}:{port}")
    fields = {
        n: v.encode("latin-1").decode("utf-8", "replace") for n, v in headers.joined().items()
    }
    return HttpRequest(
        request.method,
        f"{request.scheme}://{host}{target}",
        headers=fields,
        params={name: ",".join(values) for name, values in query_values(request).items()},
        body=request.body,
    )


def from_reply(reply: Any) -> Response:
    """Read a reply."""
    return Response(reply.status_code, Headers(reply.headers.items()), reply.get_body())
