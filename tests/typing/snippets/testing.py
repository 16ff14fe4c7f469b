"""The test clients, whose arguments are those of httpx and a few more."""

from __future__ import annotations

from typing import Any, assert_type

import httpx

import unigate
from unigate.testing import AsyncClient, Client, HostTransport, Response

app = unigate.wrap("main:site")
client = Client(app, "alb", timeout=5, client=("203.0.113.9", 50000), cookies={"a": "1"})
response = client.post("/tea", json={"n": 1}, base64=True, timeout=httpx.Timeout(3))
assert_type(response, Response)
assert_type(response.event, Any)
httpx.Client(transport=HostTransport(app, client=("203.0.113.9", 50000)))
Client(app, transport=HostTransport(app))  # refused
Client(app, verify=False)  # refused
Client(app, client="203.0.113.9")  # refused
client.get("/", query_string={"a": "1"})  # refused
client.get("/", follow=True)  # refused
print(response.data)  # refused
client.websocket_connect("/")  # refused


async def ask() -> None:
    async with AsyncClient(app, timeout=None) as asynchronous:
        assert_type(await asynchronous.get("/"), Response)
    with AsyncClient(app):  # refused
        pass
