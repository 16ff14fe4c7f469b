"""API Gateway REST API without proxy integration, as the Serverless Framework sets it up.

`integration: lambda` sends what a mapping template makes of a request. The event has no method and
path of HTTP, but `method`, the resource `requestPath` ("/users/{id}") and its parameters in `path`.
Parameters are treated as sent; a trailing slash is lost, and repeated fields and query keys arrive
as one. The query is decoded and encoded again. The body is parsed JSON, or a map of a form's
fields; an empty object counts as no body. Other types reach the function only with a template of
their own, as text. On the API's own domain the stage is the root path.

The API chooses a status by a regular expression on the error of a failed invocation, so a response
with a status of 300 or more fails the invocation, as with serverless-wsgi. The error's message is
the reply as JSON. It holds "[404]", for which the framework's default patterns look, and
`"statusCode": 404`; no other "[" is in it. All other statuses are 200 to an API with the default
settings, and its body is the whole reply: a response template of the API's own takes `body`. Lambda
counts and logs each failure, with the message.

Sources: serverless/serverless, `lib/plugins/aws/package/compile/events/apiGateway/lib/method/
integration.js` and `lib/validate.js`; logandk/serverless-wsgi, `serverless_wsgi.py`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from unigate.errors import FailedInvocation
from unigate.http import (
    Headers,
    Identity,
    Response,
    encode_query,
    json_object,
    json_text,
    parse_scopes,
    quote_bytes,
    raw_path,
    read_envelope,
    reason_phrase,
    remove_path_prefix,
    single_value_map,
    write_envelope,
)
from unigate.http.public_address import fill_route, public_root, stage_prefix
from unigate.request import Request
from unigate.types import Event, Reply

from .forwarded import BELIEVED
from .writing import proxied_headers, query_values

MAX_REPLY = 6 * 1024 * 1024

_FORM = "application/x-www-form-urlencoded"


def matches(event: Event) -> bool:
    """Return True for an event with a resource's path, and a map of parameters for `path`."""
    return (
        bool(event.get("requestPath"))
        and isinstance(event["requestPath"], str)
        and isinstance(event.get("method"), str)
        and isinstance(event.get("path"), dict | None)
    )


def to_request(event: Event, context: Any) -> Request:
    """Read an event.

    Raises:
        ValueError: The event has no `requestPath`: the path cannot be known.
    """
    headers = Headers.from_map(event.get("headers"))
    caller = json_object(event.get("identity"))
    route = json_text(event.get("requestPath"))
    if not route:
        raise ValueError(
            "The event must have the member requestPath. Add it to the API's mapping template: "
            '"requestPath": "$context.resourcePath"'
        )
    path = fill_route(route, event.get("path"))
    root = public_root(path, None, stage_prefix(event.get("stage")), headers.get("host"))
    return Request.from_event(
        event.get("method"),
        (raw_path(root) if root else b"") + raw_path(path.replace("?", "%3F")),
        query=encode_query(event.get("query")),
        headers=headers,
        body=_body(event.get("body"), headers.get("content-type") or ""),
        client=caller.get("sourceIp"),
        root_path=root,
        source="lambda_integration",
        forwarded=BELIEVED["lambda_integration"],
        event=event,
        context=context,
        identify=_identify,
    )


def _body(body: Any, content_type: str) -> str | None:
    """Return the text that the template has parsed."""
    if body is None or body == "" or body == {}:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM and isinstance(body, dict):
        return encode_query(body)
    if isinstance(body, str) and not kind.endswith(("/json", "+json")):
        return body
    return json.dumps(body, ensure_ascii=False)


def _identify(request: Request) -> Identity | None:
    """Return what the API's authorizer found; the template writes "" where there is nothing."""
    event = json_object(request.event)
    caller = json_object(event.get("identity"))
    claims = json_object(event.get("cognitoPoolClaims"))
    if user := json_text(claims.get("sub")):
        return Identity("jwt", user, claims, parse_scopes(claims.get("scope")))
    if user := json_text(caller.get("userArn")):
        return Identity("iam", user, caller)
    if user := json_text(event.get("principalId")):
        return Identity("lambda", user, json_object(event.get("enhancedAuthContext")))
    return None


def to_reply(response: Response, event: Event) -> Reply:
    """Write a reply.

    Raises:
        FailedInvocation: The status is 300 or more; the message is the reply.
    """
    reply = write_envelope(response, {"headers": single_value_map(response.headers)})
    if response.status < 300:
        return reply
    # The text of a page must not look like the mark of another status.
    members = json.dumps(reply).replace("[", r"\u005b").removeprefix("{")
    phrase = f"[{response.status}] {reason_phrase(response.status)}".rstrip()
    raise FailedInvocation(f'{{"statusDescription": "{phrase}", {members}')


def make_event(request: Request) -> Event:
    """Write the event of an API with one greedy path, on AWS's domain if there is a root path."""
    headers = proxied_headers(request)
    raw = quote_bytes(request.raw_path)
    path = remove_path_prefix(raw, request.root_path)
    rest = (raw if path is None else path).removeprefix("/")
    if request.root_path:
        headers.set("host", "local.execute-api.us-east-1.amazonaws.com")
    return {
        "body": _parsed(request),
        "method": request.method,
        "principalId": "",
        "stage": request.root_path.lstrip("/") or "local",
        "cognitoPoolClaims": {"sub": ""},
        "enhancedAuthContext": {},
        "headers": headers.joined(),
        "query": {name: values[-1] for name, values in query_values(request).items()},
        "path": {"proxy": rest} if rest else {},
        "identity": {
            "sourceIp": request.client[0] if request.client else "",
            "userAgent": request.headers.get("user-agent", ""),
            "userArn": "",
        },
        "stageVariables": {},
        "requestPath": "/{proxy+}" if rest else "/",
    }


def _parsed(request: Request) -> Any:
    """Return a body as the template for its type parses it."""
    text = request.body.decode("utf-8", "replace")
    kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return dict(parse_qsl(text, keep_blank_values=True))
    try:
        return json.loads(text) if kind.endswith(("/json", "+json")) else text or {}
    except ValueError:
        return text


def from_reply(reply: Reply) -> Response:
    """Read a reply, or the report on a failed invocation, as an API that maps all members."""
    return read_envelope(json.loads(reply["errorMessage"]) if "errorMessage" in reply else reply)
