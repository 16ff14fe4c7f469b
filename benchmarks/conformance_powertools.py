"""Powertools' event handler as a tool of `conformance.py`: one route that takes every request.

It has routes of its own in place of an application, so what it tells the route is compared.
"""

from __future__ import annotations

import datetime
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import (
    ALBResolver,
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    Response,
    VPCLatticeResolver,
    VPCLatticeV2Resolver,
)
from aws_lambda_powertools.shared.cookies import Cookie
from conformance_apps import ANSWERS, EXPIRES, OK, SEEN


def resolver_of(event: dict[str, Any]) -> Any:
    """Return the class for an event, which an application of Powertools has to know."""
    if "raw_path" in event:
        return VPCLatticeResolver
    if "method" in event:
        return VPCLatticeV2Resolver
    if "elb" in event["requestContext"]:
        return ALBResolver
    return APIGatewayHttpResolver if event.get("version") == "2.0" else APIGatewayRestResolver


def handle(event: dict[str, Any], context: Any) -> Any:
    """Answer an event with the route."""
    app = resolver_of(event)()

    @app.route(".*", method=["GET", "POST"])  # type: ignore[untyped-decorator]
    def route() -> Response[Any]:
        return answer(app.current_event)

    return app(event, context)


def answer(event: Any) -> Response[Any]:
    """Note what a route sees, and answer as the path says."""
    fields = {
        name.lower(): value if isinstance(value, str) else ",".join(value)
        for name, value in event.resolved_headers_field.items()
    }
    if event.get("cookies"):
        fields["cookie"] = "; ".join(event["cookies"])
    context = event.get("requestContext") or {}
    client = context.get("http") or context.get("identity") or {}
    SEEN.append(
        {
            "path": event.path,
            "query": urlencode(event.resolved_query_string_parameters or {}, doseq=True),
            "fields": fields,
            "client": client.get("sourceIp"),
        }
    )
    status, headers, parts = ANSWERS.get(event.path.rpartition("/")[2], OK)
    body = b"".join(parts)
    kept: dict[str, str | list[str]] = {}
    for name, _ in headers:
        if name not in ("Set-Cookie", "Content-Type"):
            kept[name] = [value for other, value in headers if other == name]
    return Response(
        int(status[:3]),
        dict(headers).get("Content-Type"),
        body.decode() if body.isascii() else body,
        kept,
        [_cookie(value) for name, value in headers if name == "Set-Cookie"],
    )


def _cookie(line: str) -> Cookie:
    ((name, morsel),) = SimpleCookie(line).items()
    expires = datetime.datetime.strptime(EXPIRES, "%a, %d %b %Y %H:%M:%S GMT")
    when = expires.replace(tzinfo=datetime.UTC) if morsel["expires"] else None
    return Cookie(name, morsel.value, path=morsel["path"], secure=False, expires=when)
