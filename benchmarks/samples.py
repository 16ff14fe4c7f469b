"""The events and the applications of the benchmarks; nothing here is measured."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Event = dict[str, Any]

SMALL_ANSWER = b'{"id": 7, "state": "shipped", "lines": []}'

HEADERS = {
    "Accept": "application/json, text/plain;q=0.9, */*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "de-DE,de;q=0.9,en;q=0.7",
    "Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
    "Cache-Control": "no-cache",
    "Host": "k3x9w2ab1c.execute-api.eu-central-1.amazonaws.com",
    "Origin": "https://shop.example",
    "Referer": "https://shop.example/orders",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "cross-site",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "X-Amzn-Trace-Id": "Root=1-6705f3a1-0a1b2c3d4e5f60718293a4b5",
    "X-Forwarded-For": "198.51.100.23",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}
COOKIES = ["session=f3a91c", "theme=dark"]


def http_api_event(body: bytes) -> Event:
    """Build an HTTP API 2.0 event: a GET, or with a body a POST of it in base64."""
    method = "POST" if body else "GET"
    headers = {name.lower(): value for name, value in HEADERS.items()}
    headers["content-length"] = str(len(body))
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/orders/7",
        "rawQueryString": "page=2&sort=created",
        "cookies": COOKIES,
        "headers": headers,
        "queryStringParameters": {"page": "2", "sort": "created"},
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "k3x9w2ab1c",
            "domainName": HEADERS["Host"],
            "domainPrefix": "k3x9w2ab1c",
            "http": {
                "method": method,
                "path": "/orders/7",
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.23",
                "userAgent": HEADERS["User-Agent"],
            },
            "requestId": "Qh4kTgWxliAEJxw=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "09/Oct/2024:08:15:29 +0000",
            "timeEpoch": 1728461729000,
        },
        "isBase64Encoded": bool(body),
    }
    if body:
        headers["content-type"] = "application/octet-stream"
        event["body"] = base64.b64encode(body).decode()
    return event


def rest_api_event(body: bytes) -> Event:
    """Build a REST API (v1) event: a GET, or with a body a POST of it in base64."""
    method = "POST" if body else "GET"
    headers = HEADERS | {"Cookie": "; ".join(COOKIES)}
    if body:
        headers["Content-Type"] = "application/octet-stream"
    return {
        "resource": "/{proxy+}",
        "path": "/orders/7",
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"page": "2", "sort": "created"},
        "multiValueQueryStringParameters": {"page": ["2"], "sort": ["created"]},
        "pathParameters": {"proxy": "orders/7"},
        "stageVariables": None,
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "k3x9w2ab1c",
            "domainName": HEADERS["Host"],
            "httpMethod": method,
            "identity": {"sourceIp": "198.51.100.23", "userAgent": HEADERS["User-Agent"]},
            "path": "/prod/orders/7",
            "protocol": "HTTP/1.1",
            "requestId": "5f0c1d7e-2b64-4c1a-9d0f-7f6f3f4f8f11",
            "requestTimeEpoch": 1728461729000,
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


class Context:
    """The part of Lambda's context object that the tools read."""

    function_name = "benchmark"
    aws_request_id = "0a4c7b2e-93d5-4f5b-8a47-3f1c1d0e9b60"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


CONTEXT = Context()


def media_type(body: bytes) -> str:
    return "application/octet-stream" if body else "application/json"


async def asgi_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo the body, or send a small one if it is empty; accept the lifespan."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", media_type(body).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body or SMALL_ANSWER})


async def asgi_app_without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Do the same as ``asgi_app``, without lifespan, as many applications do."""
    if scope["type"] != "http":
        raise ValueError(f"the scope's type must be 'http', got {scope['type']!r}")
    await asgi_app(scope, receive, send)


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Echo the body, or send a small one if it is empty."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", media_type(body))])
    return [body or SMALL_ANSWER]
