"""The views of `requests.framework`, in Litestar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, Response, delete, get, post, put, route
from litestar.datastructures import Cookie, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import File, Redirect, ServerSentEvent, Stream
from litestar.static_files import create_static_files_router

from . import content
from .content import prepare as prepare


@get("/", media_type=MediaType.HTML)
async def index() -> str:
    return content.INDEX


@route("/echo/{rest:path}", http_method=["GET", "POST", "PUT", "PATCH", "DELETE"], status_code=200)
async def echo(request: Request[Any, Any, Any], rest: str) -> dict[str, Any]:
    return {
        "method": request.method,
        "rest": rest,
        "query": list(request.query_params.multi_items()),
        "query_string": request.scope["query_string"].decode(),
        "url": str(request.url),
        "cookies": request.cookies,
        "fields": sorted((n, v) for n, v in request.headers.multi_items() if n.startswith("x-own")),
        "type": request.headers.get("content-type"),
        **content.digest(await request.body()),
    }


@post("/form", status_code=200)
async def form(
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, Any]:
    return dict(sorted(data.items()))


@post("/upload", status_code=200)
async def upload(
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, Any]:
    sent: UploadFile = data["file"]
    about = {"name": sent.filename, "type": sent.content_type, "title": data["title"]}
    return {**about, **content.digest(await sent.read())}


@post("/json")
async def json_view(data: Any) -> dict[str, Any]:
    return {"got": data}


@get("/cookies", media_type=MediaType.TEXT)
async def cookies() -> Response[str]:
    set_cookies = [
        Cookie("one", value="1"),
        Cookie("two", value="2", httponly=True, samesite="strict", max_age=60),
    ]
    response = Response("cookies", cookies=set_cookies)
    response.delete_cookie("three")
    return response


@get("/redirect")
async def redirect(request: Request[Any, Any, Any]) -> Redirect:
    return Redirect(f"{request.base_url}echo/tärget", query_params={"x": "1 & 2"})


@get("/etag", media_type=MediaType.TEXT)
async def etag(request: Request[Any, Any, Any]) -> Response[Any]:
    fields = {"etag": '"v1"', "vary": "accept"}
    if request.headers.get("if-none-match") == '"v1"':
        return Response(None, status_code=304, headers=fields)
    return Response("tagged", headers=fields)


@get("/download")
async def download() -> File:
    return File(content.FOLDER / "large.bin", filename="größe.bin")


@get("/stream")
async def stream() -> Stream:
    async def parts() -> AsyncIterator[str]:
        for part in content.PARTS:
            yield part

    return Stream(parts, media_type="text/plain")


@get("/events")
async def events() -> ServerSentEvent:
    return ServerSentEvent(iter(["one", "größe", "last"]))


@get("/large", media_type=MediaType.TEXT)
async def large() -> str:
    return content.LARGE


@get("/fail")
async def fail() -> None:
    raise RuntimeError("a failure of the application")


@put("/items/{name:str}", status_code=201)
async def put_item(name: str, request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"put": name, **content.digest(await request.body())}


@delete("/items/{name:str}")
async def delete_item(name: str) -> None:
    if name == "none":
        raise NotFoundException("no such item")


application = Litestar(
    [
        *(index, echo, form, upload, json_view, cookies, redirect, etag, download, stream),
        *(events, large, fail, put_item, delete_item),
        create_static_files_router("/files", [content.FOLDER]),
    ],
    openapi_config=None,
)
