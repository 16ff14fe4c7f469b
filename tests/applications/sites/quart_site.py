"""The views of `requests.framework`, in Quart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, abort, redirect, request, send_file, url_for

from . import content
from .content import prepare as prepare

application = Quart(__name__, static_folder=str(content.FOLDER), static_url_path="/files")
application.config["MAX_CONTENT_LENGTH"] = None


@application.get("/")
async def index() -> str:
    return content.INDEX


@application.route("/echo/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def echo(rest: str) -> dict[str, Any]:
    return {
        "method": request.method,
        "rest": rest,
        "query": list(request.args.items(multi=True)),
        "query_string": request.query_string.decode(),
        "url": request.url,
        "cookies": list(request.cookies.items(multi=True)),
        "fields": sorted((n, v) for n, v in request.headers if n.lower().startswith("x-own")),
        "type": request.headers.get("content-type"),
        **content.digest(await request.get_data()),
    }


@application.post("/form")
async def form() -> dict[str, Any]:
    return dict((await request.form).lists())


@application.post("/upload")
async def upload() -> dict[str, Any]:
    sent = (await request.files)["file"]
    about = {"name": sent.filename, "type": sent.content_type}
    return {**about, "title": (await request.form)["title"], **content.digest(sent.read())}


@application.post("/json")
async def json_view() -> Any:
    return {"got": await request.get_json()}, 201


@application.get("/cookies")
async def cookies() -> Response:
    response = Response("cookies", content_type="text/plain")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, samesite="Strict", max_age=60)
    response.delete_cookie("three")
    return response


@application.get("/redirect")
async def redirect_view() -> Any:
    return redirect(url_for("echo", rest="tärget", x="1 & 2", _external=True))


@application.get("/etag")
async def etag() -> Response:
    response = Response("tagged", content_type="text/plain", headers={"vary": "accept"})
    response.set_etag("v1")
    return await response.make_conditional(request)


@application.get("/download")
async def download() -> Any:
    return await send_file(
        content.FOLDER / "large.bin",
        as_attachment=True,
        attachment_filename="größe.bin",
        conditional=True,
    )


@application.get("/stream")
async def stream() -> Any:
    async def parts() -> AsyncIterator[str]:
        for part in content.PARTS:
            yield part

    return parts(), {"content-type": "text/plain"}


@application.get("/events")
async def events() -> Any:
    async def parts() -> AsyncIterator[str]:
        for part in content.EVENTS:
            yield part

    return parts(), {"content-type": "text/event-stream"}


@application.get("/large")
async def large() -> Response:
    return Response(content.LARGE, content_type="text/plain")


@application.get("/fail")
async def fail() -> None:
    raise RuntimeError("a failure of the application")


@application.put("/items/<name>")
async def put(name: str) -> Any:
    return {"put": name, **content.digest(await request.get_data())}, 201


@application.delete("/items/<name>")
async def delete(name: str) -> Any:
    if name == "none":
        abort(404, "no such item")
    return "", 204
