"""An application that came from another gateway: it reads the event where that one puts it."""

from __future__ import annotations

from typing import Any

import flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

METHODS = ["GET", "POST", "PUT", "DELETE"]
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


def wsgi_site(event_key: str, context_key: str) -> Any:
    """Return the application in Flask."""
    site = flask.Flask(__name__)

    @site.route("/", defaults={"path": ""}, methods=METHODS)
    @site.route("/<path:path>", methods=METHODS)
    def echo(path: str) -> Any:
        request = flask.request
        if "image" in request.args:
            return flask.Response(PNG, content_type="image/png")
        if "away" in request.args:
            return flask.redirect("https://example.org/elsewhere")
        event, context = request.environ[event_key], request.environ[context_key]
        response = flask.jsonify(
            method=request.method,
            path=request.path,
            query=sorted(request.args.items(multi=True)),
            cookies=dict(request.cookies),
            host=request.host,
            scheme=request.scheme,
            length=len(request.get_data()),
            member=_member(event),
            invocation=context.aws_request_id,
        )
        response.set_cookie("first", "1")
        if "one" not in request.args:
            response.set_cookie("second", "2")
        return response, 201

    return site


def asgi_site(event_key: str, context_key: str) -> Any:
    """Return the application in Starlette."""

    async def echo(request: Request) -> Response:
        if "image" in request.query_params:
            return Response(PNG, media_type="image/png")
        if "away" in request.query_params:
            fields = {"content-type": "text/html; charset=utf-8"}
            return RedirectResponse("https://example.org/elsewhere", 302, fields)
        event, context = request.scope[event_key], request.scope[context_key]
        response = JSONResponse(
            {
                "method": request.method,
                "path": request.scope["path"].removeprefix(request.scope["root_path"]),
                "query": sorted(request.query_params.multi_items()),
                "cookies": request.cookies,
                "host": request.headers["host"],
                "scheme": request.url.scheme,
                "length": len(await request.body()),
                "member": _member(event),
                "invocation": context.aws_request_id,
            },
            201,
        )
        response.set_cookie("first", "1")
        if "one" not in request.query_params:
            response.set_cookie("second", "2")
        return response

    return Starlette(routes=[Route("/{path:path}", echo, methods=METHODS)])


def _member(event: Any) -> Any:
    about = event.get("requestContext", {})
    return about.get("requestId") or about.get("elb")
