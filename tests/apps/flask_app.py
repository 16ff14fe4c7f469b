"""The contract in Flask."""

from __future__ import annotations

from typing import Any

import flask

from .contract import EXPIRES, METHODS, answer

app = flask.Flask("contract")
app.url_map.merge_slashes = False


@app.route("/", defaults={"rest": ""}, methods=METHODS)
@app.route("/<path:rest>", methods=METHODS)
def view(rest: str) -> Any:
    request = flask.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.query_string.decode("latin-1")
    environ = request.environ  # `request.path` merges leading slashes
    path = (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1").decode()
    parts = answer(request.method, path, query, headers, request.get_data())
    response = flask.Response(iter(parts.chunks), parts.status)
    del response.headers["content-type"]
    for name, value in parts.headers:
        response.headers.add(name, value)
    for name, value in parts.cookies:
        response.set_cookie(name, value, expires=EXPIRES)
    return response
