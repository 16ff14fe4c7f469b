"""The views of `requests.framework`, in BlackSheep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from blacksheep import (
    Application,
    Content,
    Cookie,
    Request,
    Response,
    StreamedContent,
    file,
    html,
    json,
    not_found,
    redirect,
)
from blacksheep.cookies import CookieSameSiteMode
from blacksheep.server.responses import ContentDispositionType

from . import content
from .content import prepare as prepare

application = Application()
application.serve_files(content.FOLDER, root_path="files", extensions={".css", ".bin"})


def plain(text: str) -> Content:
    return Content(b"text/plain; charset=utf-8", text.encode())


async def echo(request: Request) -> Response:
    return json(
        {
            "method": request.method,
            "rest": request.route_values["tail"],
            "query": request.query,
            "query_string": request.url.query.decode() if request.url.query else "",
            "url": request.base_path + request.url.value.decode(),
            "host": request.host,
            "scheme": request.scheme,
            "cookies": request.cookies,
            "fields": sorted(
                (name.decode().lower(), value.decode("latin-1"))
                for name, value in request.headers
                if name.lower().startswith(b"x-own")
            ),
            "type": (request.content_type() or b"").decode(),
            **content.digest(await request.read() or b""),
        }
    )


@application.router.get("/")
async def index() -> Response:
    return html(content.INDEX)


for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    application.router.add(method, "/echo/*", echo)


@application.router.post("/form")
async def form(request: Request) -> Response:
    return json(await request.form())


@application.router.post("/upload")
async def upload(request: Request) -> Response:
    fields: Any = await request.form()
    sent = fields["file"]
    sent = sent[0] if isinstance(sent, list) else sent
    data = sent.file.read() if hasattr(sent, "file") else sent.data
    about = {"name": text(sent.file_name), "type": text(sent.content_type)}
    return json({**about, "title": fields["title"], **content.digest(data)})


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@application.router.post("/json")
async def json_view(request: Request) -> Response:
    return json({"got": await request.json()}, status=201)


@application.router.get("/cookies")
async def cookies() -> Response:
    response = Response(200, content=plain("cookies"))
    response.set_cookie(Cookie("one", "1"))
    strict = CookieSameSiteMode.STRICT
    response.set_cookie(Cookie("two", "2", http_only=True, same_site=strict, max_age=60))
    response.unset_cookie("three")
    return response


@application.router.get("/redirect")
async def redirect_view(request: Request) -> Response:
    return redirect(f"{request.base_path}/echo/t%C3%A4rget?x=1%20%26%202")


@application.router.get("/etag")
async def etag(request: Request) -> Response:
    fields = [(b"etag", b'"v1"'), (b"vary", b"accept")]
    if request.get_first_header(b"if-none-match") == b'"v1"':
        return Response(304, fields)
    return Response(200, fields, plain("tagged"))


@application.router.get("/download")
async def download() -> Response:
    return file(
        str(content.FOLDER / "large.bin"),
        "application/octet-stream",
        file_name="large.bin",
        content_disposition=ContentDispositionType.ATTACHMENT,
    )


@application.router.get("/stream")
async def stream() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in content.PARTS:
            yield part.encode()

    return Response(200, content=StreamedContent(b"text/plain", parts))


@application.router.get("/events")
async def events() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in content.EVENTS:
            yield part.encode()

    return Response(200, content=StreamedContent(b"text/event-stream", parts))


@application.router.get("/large")
async def large() -> Response:
    return Response(200, content=plain(content.LARGE))


@application.router.get("/fail")
async def fail() -> None:
    raise RuntimeError("a failure of the application")


@application.router.put("/items/{name}")
async def put(name: str, request: Request) -> Response:
    return json({"put": name, **content.digest(await request.read() or b"")}, status=201)


@application.router.delete("/items/{name}")
async def delete(name: str) -> Response:
    return not_found("no such item") if name == "none" else Response(204)
