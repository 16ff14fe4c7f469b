"""The contract without a framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from .contract import answer, cookie


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Any:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    path = (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1").decode()
    body = b""
    while chunk := environ["wsgi.input"].read(1000):
        body += chunk
    parts = answer(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers, body)
    phrase = HTTPStatus(parts.status).phrase if parts.status != 299 else "Odd"
    fields = [*parts.headers, *(("set-cookie", cookie(*pair)) for pair in parts.cookies)]
    start_response(f"{parts.status} {phrase}", fields)
    return iter(parts.chunks)


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http", scope["type"]
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        glue = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{glue}{value}" if name in headers else value
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query = scope["query_string"].decode("latin-1")
    parts = answer(scope["method"], scope["path"], query, headers, body)
    fields = [*parts.headers, *(("set-cookie", cookie(*pair)) for pair in parts.cookies)]
    await send(
        {
            "type": "http.response.start",
            "status": parts.status,
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields],
        }
    )
    for chunk in parts.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
