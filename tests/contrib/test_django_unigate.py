"""`request.unigate`, the common request, on Django's requests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import django
import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

import unigate
from django_unigate.middleware import UnigateMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

requests: list[unigate.Request] = []


def describe(request: HttpRequest, rest: str) -> JsonResponse:
    common = request.unigate
    requests.append(common)
    return JsonResponse(
        {
            "source": common.source,
            "method": common.method,
            "path": common.path,
            "rest": rest,
            "query": common.query_string.decode(),
            "agent": common.headers.get("user-agent"),
            "same": common is request.unigate,
            "form": request.POST.dict(),
        }
    )


async def describe_async(request: HttpRequest, rest: str) -> JsonResponse:
    return describe(request, rest)


urlpatterns = [path("sync/<rest>", describe), path("async/<rest>", describe_async)]

EVENT: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/sync/été",
    "rawQueryString": "a=1&a=2",
    "headers": {"host": "shop.example", "user-agent": "kettle/3"},
    "requestContext": {
        "domainName": "shop.example",
        "http": {"method": "GET", "path": "/sync/été", "sourceIp": "192.0.2.44"},
        "stage": "$default",
    },
    "isBase64Encoded": False,
}


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    requests.clear()
    middleware = ["django_unigate.middleware.UnigateMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware):
        yield


@pytest.mark.parametrize("view", ["sync", "async"])
@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_behind_the_gateway_it_is_the_request_of_the_event(handler: type, view: str) -> None:
    event = EVENT | {"rawPath": f"/{view}/été"}

    reply = unigate.wrap(handler()).lambda_handler(event, None)

    assert reply["statusCode"] == 200
    [common] = requests
    assert common.event is event
    assert common.path == f"/{view}/été"
    assert common.client[0] == "192.0.2.44"


@pytest.mark.parametrize("view", ["sync", "async"])
def test_without_the_gateway_it_is_built_from_the_environ(view: str) -> None:
    answer = Client().get(f"/{view}/%E8%8C%B6?q=1", headers={"user-agent": "kettle/3"}).json()

    assert answer["source"] == "wsgi"
    assert (answer["method"], answer["path"]) == ("GET", f"/{view}/茶")
    assert answer["rest"] == "茶"
    assert (answer["query"], answer["agent"], answer["same"]) == ("q=1", "kettle/3", True)


def test_without_the_gateway_a_prefix_is_part_of_the_path() -> None:
    Client().get("/sync/x", SCRIPT_NAME="/thé".encode().decode("latin-1"))

    assert (requests[0].root_path, requests[0].path) == ("/thé", "/thé/sync/x")


@pytest.mark.parametrize("view", ["sync", "async"])
def test_without_the_gateway_it_is_built_from_the_scope(view: str) -> None:
    client = AsyncClient()

    answer = asyncio.run(
        client.get(f"/{view}/oolong?q=1", headers={"user-agent": "kettle/3"})
    ).json()

    assert answer["source"] == "asgi"
    assert (answer["method"], answer["path"]) == ("GET", f"/{view}/oolong")
    assert answer["rest"] == "oolong"
    assert (answer["query"], answer["agent"], answer["same"]) == ("q=1", "kettle/3", True)


def test_the_body_stays_for_django_to_read() -> None:
    fields = {"leaf": "green"}

    assert Client().post("/sync/x", fields).json()["form"] == fields
    assert asyncio.run(AsyncClient().post("/async/x", fields)).json()["form"] == fields


def test_the_common_request_is_built_only_when_used() -> None:
    request = HttpRequest()  # it lacks the environ that building the common request needs
    middleware = UnigateMiddleware(lambda _: HttpResponse("untouched"))

    assert middleware(request).content == b"untouched"
    with pytest.raises(KeyError):
        _ = request.unigate.method


def test_it_is_an_instance_of_the_public_request_class() -> None:
    Client().get("/sync/x")

    assert isinstance(requests[0], unigate.Request)


def test_it_is_a_coroutine_function_where_django_is_asynchronous() -> None:
    async def answer(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert iscoroutinefunction(UnigateMiddleware(answer))
    assert not iscoroutinefunction(UnigateMiddleware(lambda _: HttpResponse()))
