"""The Flask extension, as its guide has it."""

from __future__ import annotations

from typing import Any, assert_type

import flask

import unigate
from flask_unigate import Request, Unigate, manage, request
from unigate import Geolocation, RuntimeCache

site = flask.Flask(__name__)
extension = Unigate(site)
assert_type(extension.gateway, unigate.Gateway)
app = unigate.wrap(site, mounts={"/v2": "main:api"})
app.on_event("manage")(manage(site))


@site.get("/whoami")
def whoami() -> dict[str, Any]:
    assert_type(request, Request)
    assert_type(request.geolocation, Geolocation)
    assert_type(request.ip_address, str | None)
    assert_type(request.runtime_cache, RuntimeCache)
    assert_type(request.unigate, unigate.Request)
    return {"city": request.geolocation["city"], "page": request.args.get("page")}


print(request.geolocaton)  # refused
print(flask.request.geolocation)  # refused
Unigate("site")  # refused
manage()  # refused
