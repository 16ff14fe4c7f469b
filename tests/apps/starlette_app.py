"""The contract in Starlette and FastAPI."""

from __future__ import annotations

from typing import Any

import fastapi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .contract import EXPIRES, METHODS, answer


async def view(request: Request) -> Response:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        glue = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{glue}{value}" if name in headers else value
    query = request.scope["query_string"].decode("latin-1")
    parts = answer(request.method, request.scope["path"], query, headers, await request.body())

    async def chunks() -> Any:
        for chunk in parts.chunks:
            yield chunk

    response = StreamingResponse(chunks(), parts.status)
    for name, value in parts.headers:
        response.headers.append(name, value)
    for name, value in parts.cookies:
        response.set_cookie(name, value, expires=EXPIRES)
    return response


app = Starlette(routes=[Route("/{rest:path}", view, methods=METHODS)])

fast = fastapi.FastAPI(openapi_url=None)
fast.api_route("/{rest:path}", methods=METHODS)(view)
