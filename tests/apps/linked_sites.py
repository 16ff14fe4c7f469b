"""One site in three frameworks, and whether its links lead back to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import django
import fastapi
import flask
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from fastapi.responses import PlainTextResponse, RedirectResponse

django.setup()

flask_site = flask.Flask(__name__)


@flask_site.get("/links")
def flask_links() -> Any:
    links = [flask.url_for("flask_item", _external=external) for external in (True, False)]
    return flask.jsonify([*links, flask.request.url.replace("/links", "/items/7/")])


@flask_site.get("/go")
def flask_go() -> Any:
    return flask.redirect(flask.url_for("flask_item"))


@flask_site.get("/items/7/")
def flask_item() -> str:
    return "item 7"


fastapi_site = fastapi.FastAPI()


@fastapi_site.get("/links")
def fastapi_links(request: fastapi.Request) -> list[str]:
    url = request.url_for("fastapi_item")
    return [str(url), url.path, str(request.url).replace("/links", "/items/7/")]


@fastapi_site.get("/go")
def fastapi_go(request: fastapi.Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("fastapi_item"))


@fastapi_site.get("/items/7/")
def fastapi_item() -> PlainTextResponse:
    return PlainTextResponse("item 7")


def django_links(request: HttpRequest) -> JsonResponse:
    link = reverse("item")
    here = request.build_absolute_uri().replace("/links", "/items/7/")
    return JsonResponse([request.build_absolute_uri(link), link, here], safe=False)


def django_go(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(request.build_absolute_uri(reverse("item")))


def django_item(request: HttpRequest) -> HttpResponse:
    return HttpResponse("item 7")


urlpatterns = [
    path("links", django_links),
    path("go", django_go),
    path("items/7/", django_item, name="item"),
]

APPLICATIONS: dict[str, Callable[[], Any]] = {
    "flask": lambda: flask_site,
    "fastapi": lambda: fastapi_site,
    "django wsgi": WSGIHandler,
    "django asgi": ASGIHandler,
}


Get = Callable[[str], Any]
"""Requests a URL; the response has `status_code`, `headers` and `text`."""


def follow(get: Get, url: str) -> tuple[str, str]:
    """Follow redirects; return the last URL and the text there."""
    for _ in range(5):
        response = get(url)
        if response.status_code not in (301, 302, 307, 308):
            assert response.status_code == 200, (url, response.text)
            return url, response.text
        url = urljoin(url, response.headers["location"])
    raise AssertionError(f"{url} redirects for ever.")


def assert_links_lead_back(get: Get, base: str) -> None:
    """Follow the links and redirects of a site that has its root at a URL."""
    item = f"{base}/items/7/", "item 7"
    assert follow(get, f"{base}/go") == item
    assert follow(get, f"{base}/items/7") == item
    links = json.loads(get(f"{base}/links").text)
    assert len(links) == 3
    for link in links:
        assert follow(get, urljoin(f"{base}/links", link)) == item


def assert_documentation_works(get: Get, base: str) -> None:
    """Load FastAPI's page as a browser does, then its schema, and request what that describes."""
    url, page = follow(get, f"{base}/docs")
    match = re.search("url: '([^']+)'", page)
    assert match
    url, schema = follow(get, urljoin(url, match[1]))
    servers = json.loads(schema).get("servers", [{"url": "/"}])
    root = urljoin(url, servers[0]["url"]).rstrip("/")
    assert follow(get, f"{root}/items/7/") == (f"{base}/items/7/", "item 7")
