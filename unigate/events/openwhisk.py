"""Apache OpenWhisk web actions, and DigitalOcean Functions, which are built on them.

Set `web: raw` (`--web raw`). Otherwise the platform merges the query and a parsed body into the top
level of the event, and the request can only be reconstructed approximately: of a repeated key the
last value remains, of a key in both query and body the body's, and order, spacing and encoding are
lost. All merged members become the body if Content-Type is JSON or a form, else (and for GET, HEAD,
DELETE and OPTIONS) the query; they include parameters bound to the action. An empty JSON object
counts as no body, and a JSON string as base64 or text. Merged members decide nothing but query and
body: an event in the formats of both platforms that contradicts itself is rejected.

Missing from an event: repeated fields (OpenWhisk keeps the last), the bytes of text that is not
UTF-8, the path of the action itself (`/api/v1/web/...`), and any client address except the
right-most of X-Forwarded-For. Accept-Encoding is dropped, because a reply cannot contain compressed
text.

Replies: the controller decides by Content-Type if a body is base64. Text is always sent as UTF-8,
so its type gets that charset; bytes with a text type that cannot be decoded are sent as
application/octet-stream. The controller writes Content-Length itself, gives text without a type
text/html and removes the type of an empty body. DigitalOcean's controller is assumed to do the
same: its documentation does not cover this.

Sources: apache/openwhisk, docs/webactions.md, docs/reference.md and WebActions.scala of the
controller; apache/pekko-http, MediaType.scala (which types are binary); DigitalOcean,
"Functions: Parameters and Responses", "HTTP Headers" and "Limits".
"""

from __future__ import annotations

import json
import re
from typing import Any

from unigate.errors import InvalidEvent
from unigate.http import (
    Headers,
    Identity,
    Response,
    decode_body,
    encode_base64,
    encode_body,
    encode_query,
    forwarded_peer,
    is_text,
    json_text,
    looks_like_base64,
    quote_bytes,
    raw_path,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, unwrap_single

MAX_REPLY = 1024 * 1024  # of both platforms

_FORM = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^"';]*)["']?""", re.IGNORECASE)
# Types that the controller treats as text; others only with a charset.
_PLAIN = frozenset(
    {
        *("text/calendar", "text/css", "text/csv", "text/event-stream", "text/html"),
        *("text/markdown", "text/plain", "text/tab-separated-values", "text/uri-list"),
        *("text/x-vcard", "text/xml", "application/atom+xml", "application/javascript"),
        *("application/json", "application/json-patch+json"),
        *("application/merge-patch+json", "application/problem+json", "application/problem+xml"),
        *("application/rss+xml", "application/soap+xml", "application/vnd.api+json"),
        *("application/xhtml+xml", "application/xml", "application/xml-dtd", _FORM),
    }
)


def matches(event: Event) -> bool:
    """Return True for an event of either platform, by members that clients cannot set."""
    return _is_openwhisk(event) or _is_digitalocean(event)


def _is_openwhisk(event: Event) -> bool:
    """Check members for which the controller rejects a client's request with a 400."""
    return isinstance(event.get("__ow_method"), str) or isinstance(event.get("__ow_headers"), dict)


def _is_digitalocean(event: Event) -> bool:
    http = event.get("http")
    return isinstance(http, dict) and (
        isinstance(http.get("method"), str) or isinstance(http.get("headers"), dict)
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; InvalidEvent if a parameter imitates a member of the other platform."""
    about = {
        name: event.get(f"__ow_{name}")
        for name in ("method", "headers", "path", "query", "body", "isBase64Encoded", "user")
    }
    source = "openwhisk"
    rest = {name: value for name, value in event.items() if not name.startswith("__ow_")}
    if _is_digitalocean(event):
        http = rest.pop("http")
        if _is_openwhisk(event):  # DigitalOcean is reported to send both, with equal values
            if (json_text(about["method"]) or "").lower() != (
                json_text(http.get("method")) or ""
            ).lower():
                raise InvalidEvent(
                    "The methods in `http` and `__ow_method` of the event must be equal."
                )
            if about["headers"] != http.get("headers"):
                raise InvalidEvent(
                    "The headers in `http` and `__ow_headers` of the event must be equal."
                )
        else:
            source = "digitalocean"
            about |= {**http, "query": http.get("queryString")}
        about["user"] = None
    headers = Headers.from_map(about["headers"])
    headers.remove("accept-encoding")
    content_type = headers.get("content-type") or ""
    body, is_base64 = _body(about["body"], about["isBase64Encoded"], content_type)
    query = about["query"]
    if not isinstance(query, str):  # only raw mode has a query
        if body is None and rest and not _is_bodiless(about["method"]):
            body, rest = _reconstructed_body(rest, content_type)
        query = encode_query(_texts(rest))
    return Request.from_event(
        about["method"],
        raw_path(about["path"] or "/"),
        query=query,
        headers=headers,
        body=body,
        is_base64=is_base64,
        client=forwarded_peer(headers),
        source=source,
        forwarded=BELIEVED[source],
        event=event,
        context=context,
        identify=_identify if about["user"] else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return the namespace of the authenticated subject."""
    user = json_text(request.event.get("__ow_user"))
    return Identity("principal", user, {"__ow_user": user}) if user else None


def _body(body: Any, flag: Any, content_type: str) -> tuple[str | None, bool]:
    """Return a body as text and whether it is base64, which can be a guess."""
    if body is None or body == "":
        return None, False
    if not isinstance(body, str):  # JSON that the platform has parsed
        return _json(body), False
    if isinstance(flag, bool):  # a query parameter of that name is not a bool
        return body, flag
    return body, not _sent_as_text(content_type) and looks_like_base64(body)


def _sent_as_text(content_type: str) -> bool:
    """Return True if the controller passes a type as text; it encodes JSON "for legacy"."""
    kind, charset = _split_type(content_type)
    if kind == "application/json":
        return False
    is_plain = kind.partition(";")[0].strip() in _PLAIN
    return is_plain or (bool(charset) and kind.startswith(("text/", "application/")))


def _is_bodiless(method: Any) -> bool:
    return not isinstance(method, str) or method.upper() in ("", "GET", "HEAD", "DELETE", "OPTIONS")


def _reconstructed_body(
    values: dict[str, Any], content_type: str
) -> tuple[str | None, dict[str, Any]]:
    """Return merged parameters as a body, and those that remain for the query."""
    kind = _split_type(content_type)[0]
    if kind == _FORM:
        return encode_query(_texts(values)), {}
    if _is_json(kind):
        return _json(values), {}
    return None, values


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: v if isinstance(v, str) else _json(v) for name, v in values.items()}


def _json(value: Any) -> str:
    try:
        return json.dumps(value)
    except RecursionError:
        raise InvalidEvent("The JSON in the event is nested too deeply.") from None


def _split_type(content_type: str) -> tuple[str, str]:
    """Split a Content-Type into the type without its charset, and the charset."""
    match = _CHARSET.search(content_type)
    charset = match[1].strip().lower() if match else ""
    return _CHARSET.sub("", content_type).strip().lower(), charset


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply, so that the controller decodes exactly the bodies that are base64."""
    fields = unwrap_single(response.headers.grouped())
    fields.pop("content-length", None)
    body = ""
    if response.body:
        content_type = response.headers.get("content-type") or ""
        body, content_type = _encoded_body(response, content_type)
        if content_type:
            fields["content-type"] = content_type
    return {"statusCode": response.status, "headers": fields, "body": body}


def _encoded_body(response: Response, content_type: str) -> tuple[str, str]:
    """Return the body of a reply, and the type with which it arrives intact."""
    kind, charset = _split_type(content_type)
    # The controller treats all other types as binary: SVG, for example.
    is_plain = (not kind or kind.startswith(("text/", "application/"))) and (
        is_text(kind) or is_text(content_type, response.text_types)
    )
    coding = response.headers.get("content-encoding") or "identity"
    if is_plain and coding.lower() == "identity":
        try:
            body = response.body.decode(charset or "utf-8")
        except (LookupError, ValueError):
            pass
        else:
            # The controller decodes trimmed JSON that could be base64: `true`, `1234`.
            if not (_is_json(kind) and looks_like_base64(body.strip())):
                if kind in ("", "application/json") or charset == "utf-8":
                    return body, content_type
                return body, f"{_CHARSET.sub('', content_type)}; charset=utf-8"
    body = encode_base64(response.body)
    if is_plain and not _is_json(kind):
        return body, "application/octet-stream"
    return body, _CHARSET.sub("", content_type)


def make_event(request: Request) -> Event:
    """Write the raw event of OpenWhisk, or of DigitalOcean for a `digitalocean` request."""
    headers = proxied_headers(request)
    path = quote_bytes(request.raw_path)
    query = quote_bytes(request.query_string)
    if request.source == "digitalocean":
        body, is_base64 = encode_body(request.headers, request.body)
        return {
            "http": {
                "method": request.method,
                "path": path,
                "queryString": query,
                "headers": headers.joined(),
                "body": body,
                "isBase64Encoded": is_base64,
            }
        }
    if _sent_as_text(headers.get("content-type") or ""):
        body = request.body.decode("utf-8", "replace")
    else:
        body = encode_base64(request.body)
    return {
        "__ow_method": request.method.lower(),
        "__ow_path": path,
        "__ow_query": query,
        "__ow_headers": headers.joined(),
        "__ow_body": body,
    }


def from_reply(reply: Reply) -> Response:
    """Read a reply as the controller does; a body without a type is text."""
    headers = Headers.from_map(reply.get("headers"))
    body = reply.get("body") or ""
    content_type = headers.get("content-type") or ""
    if _is_json(_split_type(content_type)[0]):
        is_base64 = looks_like_base64(body)
    else:
        is_base64 = bool(content_type) and not _sent_as_text(content_type)
    return Response(int(reply["statusCode"]), headers, decode_body(body, is_base64))
