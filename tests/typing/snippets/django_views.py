"""Django's views, as the guide has them."""

from __future__ import annotations

from typing import assert_type

import django.http
from django.http import HttpResponse, JsonResponse
from django.urls import path

import django_unigate
import unigate
from django_unigate import HttpRequest
from unigate import AsyncRuntimeCache, Geolocation, RuntimeCache


def home(request: HttpRequest) -> HttpResponse:
    assert_type(request.geolocation, Geolocation)
    assert_type(request.ip_address, str | None)
    assert_type(request.runtime_cache, RuntimeCache)
    assert_type(request.unigate, unigate.Request)
    return JsonResponse({"city": request.geolocation["city"], "path": request.path})


async def later(request: HttpRequest) -> HttpResponse:
    assert_type(request.async_runtime_cache, AsyncRuntimeCache)
    await request.async_runtime_cache.set("seen", True)
    return HttpResponse()


urlpatterns = [path("", home), path("later", later)]
app = unigate.wrap("mysite.wsgi:application")
app.on_event("manage")(django_unigate.manage)
assert_type(django_unigate.manage({"manage": "check"})["exit_status"], int)


def plain(request: django.http.HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.geolocation))  # refused


def misspelt(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.geolocaton))  # refused
