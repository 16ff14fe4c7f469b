"""Azure Functions: `azure.functions.HttpRequest` in, `azure.functions.HttpResponse` out.

The route prefix of the function app is the root path. The host writes the path of the URL anew, and
then "%2525" and "%25" look the same: what App Service has kept of the request line counts, if it is
of the same path. Each header has one value. A body without Content-Length does not arrive. The last
entry of X-Forwarded-For is App Service's. Who is asking counts only where the platform says that it
checks (WEBSITE_AUTH_ENABLED), because elsewhere clients may send those headers.

Repeated header fields are joined; what is not ASCII is percent-encoded, because the host fails on
it. Of several cookies one goes as it is, the rest through the host's own writer: it percent-encodes
values and knows seven attributes. So the one is the first that this would change, and a warning
names those that it does change. With Microsoft's extension for HTTP streams nothing is changed.

Sources: Azure/azure-functions-host, `GrpcMessageConversionExtensions.cs` and `RawScriptResult.cs`;
Azure/azure-functions-python-library, `azure/functions/http.py`; Microsoft Learn, "Azure Functions
HTTP trigger" and "Work with user identities in Azure App Service authentication".
"""

from __future__ import annotations

import json
import os
import re
import sys
from binascii import a2b_base64
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from unigate.http import (
    Headers,
    Identity,
    Response,
    decode_path,
    forwarded_peer,
    json_object,
    json_text,
    parse_scopes,
    raw_path,
    remove_path_prefix,
)
from unigate.request import Request
from unigate.types import ASGIApp, Receive, Scope, Send

from .azure_cookies import kept, parsed
from .writing import proxied_headers, query_values, quoted_target, unwrap_single

MAX_REPLY = sys.maxsize  # none is documented, and this is no JSON

_URL = re.compile(r"(?:(\w+)://([^/?]*))?([^?]*)\??(.*)", re.DOTALL)


def matches(event: Any) -> bool:
    """Tell nothing: no event is Azure's, its requests come through a door of their own."""
    return False


def to_request(event: Any, context: Any) -> Request:
    """Read a request."""
    # The host has read header values as UTF-8; they are shown as Latin-1 here.
    fields = {n: v.encode("utf-8", "replace").decode("latin-1") for n, v in event.headers.items()}
    headers = Headers.from_map(fields)
    request = _read(event.method, event.url, headers, event, context)
    body = event.get_body()
    if body:
        request.body = body
        request.headers.set("content-length", str(len(body)))
    return request


def _read(method: str, url: str, headers: Headers, event: Any, context: Any) -> Request:
    found = _URL.match(url)
    assert found is not None  # every part may be empty
    scheme, host, path, query = found.groups()
    raw = _as_sent(path, headers)
    authenticates = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    return Request.from_event(
        method,
        raw,
        query=query,
        headers=headers,
        scheme=scheme or "https",
        host=host,
        client=forwarded_peer(headers),
        root_path=_root_path(decode_path(raw)),
        source="azure",
        event=event,
        context=context,
        identify=_identify if authenticates else None,
    )


def _as_sent(path: str, headers: Headers) -> bytes:
    """Return the path of the request line, if one is given and the host would make this of it."""
    seen = unquote_to_bytes(path)
    for name in ("x-waws-unencoded-url", "x-original-url"):
        sent = (headers.get(name) or "").partition("?")[0]
        once = unquote_to_bytes(sent)
        if sent and seen in (once, unquote_to_bytes(once)):
            return raw_path(sent)
    return raw_path(path)


def _root_path(path: str) -> str:
    """Return the route prefix as the request spells it: routes do not care for case."""
    prefix = _route_prefix(os.environ.get(_PREFIX), os.environ.get(_SCRIPT_ROOT, ""))
    return (
        path[: len(prefix)] if remove_path_prefix(path.lower(), prefix.lower()) is not None else ""
    )


_PREFIX = "AzureFunctionsJobHost__extensions__http__routePrefix"
_SCRIPT_ROOT = "AzureWebJobsScriptRoot"


@cache
def _route_prefix(setting: str | None, folder: str) -> str:
    """Return the prefix of every route: from the setting, else host.json, else "/api"."""
    if setting is None:
        config = ""
        with (
            suppress(OSError),
            open(os.path.join(folder, "host.json"), encoding="utf-8", errors="replace") as file,
        ):
            config = _COMMENT.sub(r"\1", file.read())
        found = re.search(r'"routePrefix"\s*:\s*"([^"]*)"', config, re.IGNORECASE)
        setting = found[1] if found else "api"
    prefix = setting.strip("/")
    return f"/{prefix}" if prefix else ""


# The host takes JSON with comments; strings are kept.
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _identify(request: Request) -> Identity | None:
    """Return the caller that App Service has signed in; it removes these headers from outside."""
    headers = request.headers
    try:
        principal = json_object(json.loads(a2b_base64(headers.get("x-ms-client-principal") or "")))
    except (ValueError, RecursionError):
        principal = {}
    user = headers.get("x-ms-client-principal-id") or headers.get("x-ms-client-principal-name")
    user = user or json_text(principal.get("userId"))  # so does Static Web Apps call it
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


# --- the answer ----------------------------------------------------------------------------------


def to_reply(response: Response, event: Any) -> Any:
    """Write the answer: a response of Microsoft's."""
    return _response_class()(response)


@cache
def _response_class() -> Any:
    """Return Microsoft's response, with all that its worker asks of one answered for us."""
    from azure.functions import HttpResponse

    # Microsoft does not export this class.
    class Fields(type(HttpResponse().headers)):  # type: ignore[misc]
        """Header fields that the worker asks for cookies to parse, all but one of which it gets."""

        def get_all(self, name: str) -> list[Any]:
            values: list[Any] = super().get_all(name)
            return parsed(values) if name.lower() == "set-cookie" else values

        def pop(self, name: str, *default: Any) -> Any:
            values = super().get_all(name)
            popped = super().pop(name, *default)
            if name.lower() == "set-cookie" and values:
                self[name] = values[kept(values)]
            return popped

    class Answer(HttpResponse):
        def __init__(self, response: Response) -> None:
            # No media type, else the worker writes text/plain where the application has none.
            super().__init__(response.body, status_code=response.status, mimetype="")
            joined = response.headers.joined()
            joined.pop("set-cookie", None)
            cookies = [("set-cookie", one) for one in response.headers.getlist("set-cookie")]
            self._fields = Fields((name, _ascii(one)) for name, one in [*joined.items(), *cookies])

        @property
        def headers(self) -> Any:
            return self._fields

    return Answer


def _ascii(value: str) -> str:
    """Percent-encode what Kestrel refuses in a field."""
    return quote(value.encode("latin-1", "replace"), safe=_PRINTABLE)


_PRINTABLE = b"\t" + bytes(range(32, 127))


# --- HTTP streams --------------------------------------------------------------------------------


def answer_streaming(asgi: ASGIApp, request: Any, context: Any = None) -> Any:
    """Return the response to a request of `azurefunctions-extensions-http-fastapi`.

    The extension sends a response by calling it as an application; this one runs `asgi` then.
    """
    from fastapi import Response as FastAPIResponse

    class Live(FastAPIResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await asgi(_bare(scope, request, context), receive, send)

    return Live()


def _bare(scope: Scope, event: Any, context: Any) -> Scope:
    """Return what the server said, without FastAPI's own, and with what only Azure knows."""
    headers = Headers((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    url = f"{scope['scheme']}://{headers.get('host') or ''}{scope['raw_path'].decode('latin-1')}"
    outer = _read(scope["method"], url, headers, event, context)
    bare = {name: scope[name] for name in _SCOPE if name in scope}
    told = {name: getattr(outer, name) for name in ("path", "raw_path", "root_path")}
    return bare | told | {"scheme": outer.scheme, "client": outer.client, "unigate.request": outer}


_SCOPE = ("type", "asgi", "http_version", "method", "query_string", "headers", "server")


# --- the other direction -------------------------------------------------------------------------


def make_event(request: Request) -> Any:
    """Make the request of a function app behind App Service."""
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
    """Read the answer."""
    return Response(reply.status_code, Headers(reply.headers.items()), reply.get_body())
