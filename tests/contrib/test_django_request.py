"""The attributes that the middleware adds to a request, and the setting UNIGATE."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest as DjangoRequest
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path

import unigate
from django_unigate import HttpRequest
from django_unigate.middleware import UnigateMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

ROOT = Path(__file__).resolve().parents[2]
WHERE = {"x-vercel-ip-country": "JP", "x-vercel-ip-city": "Ky%C5%8Dto", "x-real-ip": "2001:DB8::7"}


def show(request: HttpRequest) -> HttpResponse:
    cache = request.runtime_cache
    cache.set("leaf", "sencha")
    return JsonResponse(
        {
            "country": request.geolocation["country"],
            "city": request.geolocation["city"],
            "ip": request.ip_address,
            "remote": request.META.get("REMOTE_ADDR"),
            "leaf": cache.get("leaf"),
            "extended": isinstance(request, HttpRequest),
            "class": type(request).__name__,
        }
    )


async def show_async(request: HttpRequest) -> HttpResponse:
    await request.async_runtime_cache.set("leaf", "gyokuro")
    leaf = await request.async_runtime_cache.get("leaf")
    return JsonResponse(
        {"country": request.geolocation["country"], "ip": request.ip_address, "leaf": leaf}
    )


urlpatterns = [path("sync", show), path("async", show_async)]


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    middleware = ["django_unigate.middleware.UnigateMiddleware"]
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware):
        yield


def event(target: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": target,
        "rawQueryString": "",
        "headers": {"host": "shop.example", **headers},
        "requestContext": {
            "domainName": "shop.example",
            "http": {"method": "GET", "path": target, "sourceIp": "192.0.2.44"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }


def ask(gateway: unigate.Gateway, target: str, headers: dict[str, str]) -> Any:
    import json

    reply = gateway.lambda_handler(event(target, headers), None)
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
@pytest.mark.parametrize("view", ["sync", "async"])
def test_behind_a_gateway_its_deployment_applies(handler: type, view: str) -> None:
    answer = ask(unigate.wrap(handler(), platform="vercel"), f"/{view}", WHERE)

    assert (answer["country"], answer["ip"]) == ("JP", "2001:db8::7")
    assert answer["leaf"] == {"sync": "sencha", "async": "gyokuro"}[view]


def test_without_a_platform_no_header_is_trusted() -> None:
    answer = ask(unigate.wrap(WSGIHandler()), "/sync", WHERE)

    assert (answer["country"], answer["ip"]) == (None, "192.0.2.44")


def test_without_the_gateway_the_peer_is_the_client() -> None:
    answer = Client().get("/sync", headers=WHERE, REMOTE_ADDR="192.0.2.9").json()
    assert (answer["country"], answer["ip"], answer["leaf"]) == (None, "192.0.2.9", "sencha")

    answer = asyncio.run(AsyncClient().get("/async", headers=WHERE)).json()
    assert (answer["country"], answer["ip"], answer["leaf"]) == (None, "127.0.0.1", "gyokuro")


def test_without_the_gateway_the_environment_names_the_platform(tmp_path: Path) -> None:
    program = (
        "import django; django.setup()\n"
        "from django.test import RequestFactory\n"
        "from django_unigate.middleware import UnigateMiddleware\n"
        "UnigateMiddleware(lambda request: print(request.ip_address))("
        "RequestFactory().get('/', headers={'x-real-ip': '192.0.2.77'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ
        | {"UNIGATE_PLATFORM": "vercel", "DJANGO_SETTINGS_MODULE": "tests.django_settings"}
        | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contrib")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("192.0.2.77\n", "")


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_the_request_keeps_the_name_of_its_class(handler: type) -> None:
    answer = ask(unigate.wrap(handler()), "/sync", {})

    assert answer["extended"] is True
    assert answer["class"] == handler.request_class.__name__


def passed(request: DjangoRequest) -> HttpRequest:
    """Send a request through the middleware."""
    UnigateMiddleware(lambda _: HttpResponse())(request)
    assert isinstance(request, HttpRequest)
    return request


def test_a_request_can_pass_the_middleware_twice() -> None:
    request = passed(RequestFactory().get("/x"))
    assert passed(request).unigate is request.unigate


def test_an_attribute_is_computed_once() -> None:
    request = passed(RequestFactory().get("/x"))
    assert request.geolocation is request.geolocation


def test_a_request_can_be_copied_and_pickled() -> None:
    request = passed(DjangoRequest())
    request.path = "/tea"

    for twin in (copy.copy(request), pickle.loads(pickle.dumps(request))):
        assert isinstance(twin, HttpRequest)
        assert type(twin) is type(request)
        assert twin.path == "/tea"


def test_a_request_of_the_public_class_can_be_copied_and_pickled() -> None:
    request = HttpRequest()
    request.path = "/tea"

    for twin in (copy.copy(request), pickle.loads(pickle.dumps(request))):
        assert isinstance(twin, HttpRequest)
        assert twin.path == "/tea"


# REMOTE_ADDR


def test_remote_addr_is_unchanged_by_default() -> None:
    answer = ask(unigate.wrap(WSGIHandler(), platform="vercel"), "/sync", WHERE)
    assert answer["remote"] == "192.0.2.44"


@override_settings(UNIGATE={"REMOTE_ADDR": True})
@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_remote_addr_can_become_the_trusted_address(handler: type) -> None:
    answer = ask(unigate.wrap(handler(), platform="vercel"), "/sync", WHERE)
    assert answer["remote"] == answer["ip"] == "2001:db8::7"


@override_settings(UNIGATE={"REMOTE_ADDR": True})
def test_a_forged_header_does_not_become_remote_addr() -> None:
    forged = {"x-forwarded-for": "203.0.113.66", "x-real-ip": "203.0.113.66"}

    assert ask(unigate.wrap(WSGIHandler()), "/sync", forged)["remote"] == "192.0.2.44"
    answer = Client().get("/sync", headers=forged, REMOTE_ADDR="192.0.2.9").json()
    assert answer["remote"] == "192.0.2.9"


@override_settings(UNIGATE={"REMOTE_ADDR": True})
def test_remote_addr_is_unchanged_without_a_trusted_address() -> None:
    request = RequestFactory().get("/x", REMOTE_ADDR="")
    assert passed(request).META["REMOTE_ADDR"] == ""


# UNIGATE


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["REMOTE_ADDR"], "UNIGATE must be a dictionary, got ['REMOTE_ADDR']."),
        (
            {"remote_addr": True},
            "Unknown keys in UNIGATE: 'remote_addr'. "
            "The keys are REMOTE_ADDR, APPLICATION, HOSTS, CONNECTION_PAUSE. "
            "Did you mean 'REMOTE_ADDR'?",
        ),
        ({"REMOTE_ADDR": "yes"}, "UNIGATE['REMOTE_ADDR'] must be True or False, got 'yes'."),
        (
            {"APPLICATION": "api.index"},
            "UNIGATE['APPLICATION'] must be an import string, "
            "\"package.module:attribute\", got 'api.index'.",
        ),
        (
            {"HOSTS": "tea.example"},
            "UNIGATE['HOSTS'] must be a list of host names without scheme or path, "
            "got 'tea.example'.",
        ),
        (
            {"HOSTS": ["https://tea.example"]},
            "UNIGATE['HOSTS'] must be a list of host names without scheme or path, "
            "got ['https://tea.example'].",
        ),
        (
            {"CONNECTION_PAUSE": -1},
            "UNIGATE['CONNECTION_PAUSE'] must be a number of seconds, 0 or more, got -1.",
        ),
        (
            {"CONNECTION_PAUSE": True},
            "UNIGATE['CONNECTION_PAUSE'] must be a number of seconds, 0 or more, got True.",
        ),
    ],
)
def test_an_invalid_setting_is_named_when_django_starts(value: Any, message: str) -> None:
    with override_settings(UNIGATE=value), pytest.raises(ImproperlyConfigured) as caught:
        WSGIHandler()
    assert str(caught.value) == message


# Types


TYPED = """
from django.http import HttpResponse
from django.urls import path
from django_unigate import HttpRequest


def view(request: HttpRequest) -> HttpResponse:
    reveal_type(request.geolocation["country"])
    reveal_type(request.ip_address)
    reveal_type(request.runtime_cache)
    reveal_type(request.unigate)
    reveal_type(request.unigate.source)
    reveal_type(request.method)
    return HttpResponse()


async def view_async(request: HttpRequest) -> HttpResponse:
    reveal_type(request.async_runtime_cache)
    return HttpResponse()


urlpatterns = [path("", view), path("async", view_async)]
"""


def test_a_type_checker_knows_the_attributes(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text(TYPED)
    (tmp_path / "settings.py").write_text("SECRET_KEY = 'x'\n")
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\nplugins = mypy_django_plugin.main\n"
        f"mypy_path = {ROOT}:{ROOT}/contrib\nexplicit_package_bases = True\n"
        "[mypy.plugins.django-stubs]\ndjango_settings_module = settings\n"
        "[mypy-unigate.*]\nfollow_imports = silent\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "views.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = [
        line.split('Revealed type is "')[1].rstrip('"').replace("builtins.", "")  # as mypy had it
        for line in done.stdout.splitlines()
        if "Revealed" in line
    ]
    assert revealed == [
        "str | None",
        "str | None",
        "unigate.cache.runtime_cache.RuntimeCache",
        "unigate.request.Request",
        "str",
        "str | None",
        "unigate.cache.async_runtime_cache.AsyncRuntimeCache",
    ]
