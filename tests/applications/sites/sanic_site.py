"""The views of `requests.framework`, in Sanic."""

from __future__ import annotations

import asyncio
import os

from sanic import Blueprint, HTTPResponse, Request, Sanic, empty, file, html, json, redirect
from sanic.exceptions import NotFound

from . import content
from .content import prepare as prepare

application = Sanic("site", configure_logging=False)
# Sanic itself does not take a root path off the path.
site = Blueprint("site", url_prefix=os.environ["SITE_PREFIX"])
site.static("/files", content.FOLDER, name="files")


@site.get("/")
async def index(request: Request) -> HTTPResponse:
    return html(content.INDEX)


@site.route("/echo/<rest:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def echo(request: Request, rest: str) -> HTTPResponse:
    return json(
        {
            "method": request.method,
            "rest": rest,
            "query": request.query_args,
            "query_string": request.query_string,
            "url": request.url,
            "cookies": {name: request.cookies.getlist(name) for name in request.cookies},
            "fields": sorted((n, v) for n, v in request.headers.items() if n.startswith("x-own")),
            "type": request.headers.get("content-type"),
            **content.digest(request.body),
        }
    )


@site.post("/form")
async def form(request: Request) -> HTTPResponse:
    return json({name: request.form.getlist(name) for name in sorted(request.form)})


@site.post("/upload")
async def upload(request: Request) -> HTTPResponse:
    sent = request.files.get("file")
    about = {"name": sent.name, "type": sent.type, "title": request.form.get("title")}
    return json({**about, **content.digest(sent.body)})


@site.post("/json")
async def json_view(request: Request) -> HTTPResponse:
    return json({"got": request.json}, status=201)


@site.get("/cookies")
async def cookies(request: Request) -> HTTPResponse:
    response = HTTPResponse("cookies", content_type="text/plain")
    response.add_cookie("one", "1", secure=False, samesite=None)
    response.add_cookie("two", "2", httponly=True, samesite="Strict", max_age=60)
    response.delete_cookie("three")
    return response


@site.get("/redirect")
async def redirect_view(request: Request) -> HTTPResponse:
    return redirect(request.app.url_for("site.echo", rest="tärget", x="1 & 2"))


@site.get("/etag")
async def etag(request: Request) -> HTTPResponse:
    fields = {"etag": '"v1"', "vary": "accept"}
    if request.headers.get("if-none-match") == '"v1"':
        return empty(304, headers=fields)
    return HTTPResponse("tagged", headers=fields, content_type="text/plain")


@site.get("/download")
async def download(request: Request) -> HTTPResponse:
    return await file(content.FOLDER / "large.bin", filename="größe.bin")


@site.get("/stream")
async def stream(request: Request) -> None:
    response = await request.respond(content_type="text/plain")
    for part in content.PARTS:
        await response.send(part)
        await asyncio.sleep(0)
    await response.eof()


@site.get("/events")
async def events(request: Request) -> None:
    response = await request.respond(content_type="text/event-stream")
    for part in content.EVENTS:
        await response.send(part)
    await response.eof()


@site.get("/large")
async def large(request: Request) -> HTTPResponse:
    return HTTPResponse(content.LARGE, content_type="text/plain")


@site.get("/fail")
async def fail(request: Request) -> HTTPResponse:
    raise RuntimeError("a failure of the application")


@site.put("/items/<name>")
async def put(request: Request, name: str) -> HTTPResponse:
    return json({"put": name, **content.digest(request.body)}, status=201)


@site.delete("/items/<name>")
async def delete(request: Request, name: str) -> HTTPResponse:
    if name == "none":
        raise NotFound("no such item")
    return empty()


application.blueprint(site)
