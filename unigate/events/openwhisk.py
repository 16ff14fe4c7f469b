"""Apache OpenWhisk web actions, and DigitalOcean Functions, which are made of them.

Set `web: raw` (`--web raw`). Else the platform merges the query and a parsed body into the top
level of the event, and what is put together again from there is a likeness: of a repeated key the
last value is left, of a query and a body with the same key the body's, and their order, spacing
and encoding are gone. All of it becomes a body where Content-Type names JSON or a form, else (and
for a GET, HEAD, DELETE or OPTIONS) the query; parameters bound to the action are among it. An empty
JSON object is no body, and a JSON string is taken for base64 or text. No such member decides
anything but query and body: an event of both platforms that contradicts itself is refused.

Not in an event: repeated fields (OpenWhisk keeps the last), bytes of a text that is not UTF-8, the
path of the action itself (`/api/v1/web/...`), any peer but the right-most of X-Forwarded-For.
Accept-Encoding is dropped, because the answer cannot carry compressed text.

Answers: the controller tells by Content-Type if a body is base64. Text always leaves as UTF-8, so
it gets that charset; bytes that are no text but of a text type leave as application/octet-stream.
It writes Content-Length itself, makes untyped text text/html and drops the type of an empty body.
That DigitalOcean's controller does the same is taken for granted: its documentation is silent.

Sources: apache/openwhisk, docs/webactions.md, docs/reference.md and WebActions.scala of the
controller; apache/pekko-http, MediaType.scala (which types are binary); DigitalOcean,
"Functions: Parameters and Responses", "HTTP Headers" and "Limits".
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from typing import Any

from unigate.errors import InvalidEvent
from unigate.http import (
    Headers,
    Identity,
    Response,
    decode_body,
    encode_body,
    encode_query,
    forwarded_peer,
    is_text,
    json_text,
    quote_bytes,
    raw_path,
)
from unigate.request import Request
from unigate.types import Event, Reply

from .writing import proxied_headers, unwrap_single

MAX_REPLY = 1024 * 1024  # of both platforms

_FORM = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^"';]*)["']?""", re.IGNORECASE)
# Types that the controller knows as text; others are text to it only with a charset.
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
    """Tell whether one of the two platforms sent this, by what no client can put in its place."""
    return _is_openwhisk(event) or _is_digitalocean(event)


def _is_openwhisk(event: Event) -> bool:
    """Tell by members that the controller refuses from clients with a 400."""
    return isinstance(event.get("__ow_method"), str) or isinstance(event.get("__ow_headers"), dict)


def _is_digitalocean(event: Event) -> bool:
    http = event.get("http")
    return isinstance(http, dict) and (
        isinstance(http.get("method"), str) or isinstance(http.get("headers"), dict)
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event; InvalidEvent where a parameter poses as a member of the other platform."""
    about = {
        name: event.get(f"__ow_{name}")
        for name in ("method", "headers", "path", "query", "body", "isBase64Encoded", "user")
    }
    source = "openwhisk"
    rest = {name: value for name, value in event.items() if not name.startswith("__ow_")}
    if _is_digitalocean(event):
        http = rest.pop("http")
        if _is_openwhisk(event):  # DigitalOcean is reported to have sent both: they agree then
            if (json_text(about["method"]) or "").lower() != (
                json_text(http.get("method")) or ""
            ).lower():
                raise InvalidEvent("The event names two methods, in `http` and in `__ow_method`.")
            if about["headers"] != http.get("headers"):
                raise InvalidEvent("`http` and `__ow_headers` of the event contradict each other.")
        else:
            source = "digitalocean"
            about |= {**http, "query": http.get("queryString")}
        about["user"] = None
    headers = Headers.from_map(about["headers"])
    headers.remove("accept-encoding")
    content_type = headers.get("content-type") or ""
    body, is_base64 = _body(about["body"], about["isBase64Encoded"], content_type)
    query = about["query"]
    if not isinstance(query, str):  # there in raw mode only
        if body is None and rest and not _is_bodiless(about["method"]):
            body, rest = _rebuilt(rest, content_type)
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
        event=event,
        context=context,
        identify=_identify if about["user"] else None,
    )


def _identify(request: Request) -> Identity | None:
    """Return the namespace of the authenticated subject."""
    user = json_text(request.event.get("__ow_user"))
    return Identity("principal", user, {"__ow_user": user}) if user else None


def _body(body: Any, flag: Any, content_type: str) -> tuple[str | None, bool]:
    """Return a body as text and whether it is base64: what is a guess may turn out to be text."""
    if body is None or body == "":
        return None, False
    if not isinstance(body, str):  # JSON that was parsed on the way
        return _json(body), False
    if isinstance(flag, bool):  # a query parameter of that name is no bool
        return body, flag
    return body, not _sent_as_text(content_type) and _is_base64(body)


def _sent_as_text(content_type: str) -> bool:
    """Tell whether the controller takes a type for text; JSON it encodes "for legacy"."""
    kind, charset = _split_type(content_type)
    if kind == "application/json":
        return False
    known = kind.partition(";")[0].strip() in _PLAIN
    return known or (bool(charset) and kind.startswith(("text/", "application/")))


def _is_bodiless(method: Any) -> bool:
    return not isinstance(method, str) or method.upper() in ("", "GET", "HEAD", "DELETE", "OPTIONS")


def _rebuilt(values: dict[str, Any], content_type: str) -> tuple[str | None, dict[str, Any]]:
    """Return merged parameters as a body, and what of them is left for the query."""
    kind = _split_type(content_type)[0]
    if kind == _FORM:
        return encode_query(_texts(values)), {}
    if _is_json(kind):
        return _json(values), {}
    return None, values


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: one if isinstance(one, str) else _json(one) for name, one in values.items()}


def _json(value: Any) -> str:
    try:
        return json.dumps(value)
    except RecursionError:
        raise InvalidEvent("The JSON in the event is nested too deep.") from None


def _split_type(content_type: str) -> tuple[str, str]:
    """Split a Content-Type into the type without its charset, and the charset."""
    found = _CHARSET.search(content_type)
    charset = found[1].strip().lower() if found else ""
    return _CHARSET.sub("", content_type).strip().lower(), charset


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _is_base64(body: str) -> bool:
    try:
        return bool(decode_body(body, True))
    except InvalidEvent:
        return False


def to_reply(response: Response, event: Event) -> Reply:
    """Write the answer, so that the controller decodes what is base64 and nothing else."""
    fields = unwrap_single(response.headers.grouped())
    fields.pop("content-length", None)
    body = ""
    if response.body:
        content_type = response.headers.get("content-type") or ""
        body, content_type = _written(response, content_type)
        if content_type:
            fields["content-type"] = content_type
    return {"statusCode": response.status, "headers": fields, "body": body}


def _written(response: Response, content_type: str) -> tuple[str, str]:
    """Return the body of an answer, and the type under which it arrives unharmed."""
    kind, charset = _split_type(content_type)
    is_plain = is_text(kind) and not kind.startswith("image/")  # SVG is binary to the controller
    coding = response.headers.get("content-encoding") or "identity"
    if is_plain and coding.lower() == "identity":
        try:
            body = response.body.decode(charset or "utf-8")
        except (LookupError, ValueError):
            pass
        else:
            # The controller takes trimmed JSON for base64 where it could be: `true`, `1234`.
            if not (_is_json(kind) and _is_base64(body.strip())):
                if kind in ("", "application/json") or charset == "utf-8":
                    return body, content_type
                return body, f"{_CHARSET.sub('', content_type)}; charset=utf-8"
    body = b2a_base64(response.body, newline=False).decode("ascii")
    if is_plain and not _is_json(kind):
        return body, "application/octet-stream"
    return body, _CHARSET.sub("", content_type)


def make_event(request: Request) -> Event:
    """Write the raw event that OpenWhisk sends, or DigitalOcean for a `digitalocean` request."""
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
        body = b2a_base64(request.body, newline=False).decode("ascii")
    return {
        "__ow_method": request.method.lower(),
        "__ow_path": path,
        "__ow_query": query,
        "__ow_headers": headers.joined(),
        "__ow_body": body,
    }


def from_reply(reply: Reply) -> Response:
    """Read the answer as the controller does; without a type, text is text."""
    headers = Headers.from_map(reply.get("headers"))
    body = reply.get("body") or ""
    content_type = headers.get("content-type") or ""
    if _is_json(_split_type(content_type)[0]):
        is_base64 = _is_base64(body)
    else:
        is_base64 = bool(content_type) and not _sent_as_text(content_type)
    return Response(int(reply["statusCode"]), headers, decode_body(body, is_base64))
