"""The common request, and what it knows of the client."""

from __future__ import annotations

from typing import assert_type

import flask

import unigate
from unigate import AsyncRuntimeCache, Geolocation, Headers, Identity, Response, RuntimeCache

request = unigate.current_request()
assert_type(request, unigate.Request)
assert_type(request.path, str)
assert_type(request.raw_path, bytes)
assert_type(request.headers, Headers)
assert_type(request.headers.get("accept"), str | None)
assert_type(request.ip_address, str | None)
assert_type(request.geolocation, Geolocation)
assert_type(request.geolocation["country"], str | None)
assert_type(request.identity, Identity | None)
assert_type(request.runtime_cache, RuntimeCache)
assert_type(request.async_runtime_cache, AsyncRuntimeCache)
assert_type(unigate.geolocation(flask.request), Geolocation)
assert_type(unigate.ip_address(flask.request), str | None)
print(request.geolocation["land"])  # refused
print(request.paht)  # refused
request.headers.get(b"accept")  # refused

made = unigate.Request("GET", b"/tea", headers=Headers([("accept", "text/html")]))
unigate.Request("GET", "/tea")  # refused
unigate.Request("GET", headers={"accept": "text/html"})  # refused
assert_type(Response.plain(404, "Not Found"), Response)
