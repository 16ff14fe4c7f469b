"""The views of `requests.framework`, in Connexion: Flask behind an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import connexion
import flask

from . import content
from .content import prepare as prepare


def index() -> Any:
    return flask.Response(content.INDEX, content_type="text/html; charset=utf-8")


def echo(rest: str, **_: Any) -> Any:
    request = flask.request
    return {
        "method": request.method,
        "rest": rest,
        "query": list(request.args.items(multi=True)),
        "query_string": request.query_string.decode(),
        "url": request.url,
        "cookies": list(request.cookies.items(multi=True)),
        "fields": sorted((n, v) for n, v in request.headers if n.lower().startswith("x-own")),
        "type": request.headers.get("content-type"),
        **content.digest(request.get_data()),
    }


echo_delete = echo_post = echo_put = echo_patch = echo  # an operation has a name of its own


def form(**_: Any) -> Any:
    return dict(flask.request.form.lists())


def upload(**_: Any) -> Any:
    sent = flask.request.files["file"]
    about = {"name": sent.filename, "type": sent.content_type}
    return {**about, "title": flask.request.form["title"], **content.digest(sent.read())}


def json_view(body: Any) -> Any:
    return {"got": body}, 201


def cookies() -> Any:
    response = flask.Response("cookies", content_type="text/plain")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, samesite="Strict", max_age=60)
    response.delete_cookie("three")
    return response


def redirect() -> Any:
    return flask.redirect(f"{flask.request.root_url}echo/tärget?x=1%20%26%202")


def etag() -> Any:
    response = flask.Response("tagged", content_type="text/plain", headers={"vary": "accept"})
    response.set_etag("v1")
    return response.make_conditional(flask.request)


def download() -> Any:
    file = content.FOLDER / "large.bin"
    return flask.send_file(file, as_attachment=True, download_name="größe.bin")


def static(name: str) -> Any:
    return flask.send_from_directory(content.FOLDER, name)


def stream() -> Any:
    def parts() -> Iterator[str]:
        yield from content.PARTS

    return flask.Response(parts(), content_type="text/plain")


def events() -> Any:
    def parts() -> Iterator[str]:
        yield from content.EVENTS

    return flask.Response(parts(), content_type="text/event-stream")


def large() -> Any:
    return flask.Response(content.LARGE, content_type="text/plain")


def fail() -> Any:
    raise RuntimeError("a failure of the application")


def put(name: str, **_: Any) -> Any:
    return {"put": name, **content.digest(flask.request.get_data())}, 201


def delete(name: str) -> Any:
    return ({"title": "no such item"}, 404) if name == "none" else ("", 204)


def operation(name: str, body: str = "", schema: Any = None, *, inside: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": f"{__name__}.{name}"}
    found["responses"] = {"default": {"description": "any"}}
    if body:
        found["requestBody"] = {"content": {body: {"schema": schema or {}}}}
    if inside:
        kind = {"type": "string", "format": "path"} if inside == "rest" else {"type": "string"}
        found["parameters"] = [{"name": inside, "in": "path", "required": True, "schema": kind}]
    return found


TEXTS = {"type": "array", "items": {"type": "string"}}
FORM = {"type": "object", "properties": {"a": TEXTS, "b": {"type": "string"}}}
UPLOAD = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}, "title": {"type": "string"}},
}
ANY = "*/*"
SPECIFICATION = {
    "openapi": "3.0.0",
    "info": {"title": "site", "version": "1"},
    "paths": {
        **{
            f"/{name.removesuffix('_view')}": {"get": operation(name)}
            for name in ("cookies", "redirect", "etag", "download", "stream", "events", "large")
        },
        "/": {"get": operation("index")},
        "/fail": {"get": operation("fail")},
        "/echo/{rest}": {
            "get": operation("echo", inside="rest"),
            "delete": operation("echo_delete", inside="rest"),
            "post": operation("echo_post", ANY, inside="rest"),
            "put": operation("echo_put", ANY, inside="rest"),
            "patch": operation("echo_patch", ANY, inside="rest"),
        },
        "/files/{name}": {"get": operation("static", inside="name")},
        "/form": {"post": operation("form", "application/x-www-form-urlencoded", FORM)},
        "/upload": {"post": operation("upload", "multipart/form-data", UPLOAD)},
        "/json": {"post": operation("json_view", "application/json", {"type": "object"})},
        "/items/{name}": {
            "put": operation("put", ANY, inside="name"),
            "delete": operation("delete", inside="name"),
        },
    },
}

application = connexion.FlaskApp(__name__)
application.add_api(SPECIFICATION)
