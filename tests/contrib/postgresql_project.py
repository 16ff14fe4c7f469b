"""A Django project that keeps its connections to PostgreSQL from one request to the next."""

from __future__ import annotations

import os
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connections, transaction
from django.http import HttpResponse
from django.urls import path

import unigate
from django_unigate import HttpRequest

_with_unigate = os.environ["WITH_UNIGATE"] == "1"
_server: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
    "USER": "postgres",
    "HOST": "127.0.0.1",
    "PORT": os.environ["DATABASE_PORT"],
}
_name = os.environ["APPLICATION_NAME"]
# Servers, and proxies in front of them, close idle connections; in milliseconds.
_closed_idle = {
    "application_name": f"{_name} ended",
    "options": "-c idle_session_timeout=1500",
}
settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django_unigate"] if _with_unigate else [],
    MIDDLEWARE=["django_unigate.middleware.UnigateMiddleware"],
    DATABASES={
        "default": {**_server, "CONN_MAX_AGE": None, "OPTIONS": {"application_name": _name}},
        "ended": {**_server, "CONN_MAX_AGE": None, "OPTIONS": _closed_idle},
        "pool": {
            **_server,
            "OPTIONS": {**_closed_idle, "pool": {"min_size": 2, "max_size": 3}},
        },
    },
    UNIGATE={"CONNECTION_PAUSE": float(os.environ.get("CONNECTION_PAUSE", "5"))},
)


def ask(alias: str) -> int:
    """Return the process ID of the server's backend that answers."""
    with connections[alias].cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def query(request: HttpRequest, alias: str) -> HttpResponse:
    return HttpResponse(str(ask(alias)))


async def query_async(request: HttpRequest, alias: str) -> HttpResponse:
    return HttpResponse(str(await sync_to_async(ask)(alias)))


def query_atomic(request: HttpRequest, alias: str) -> HttpResponse:
    with transaction.atomic(using=alias):
        return HttpResponse(str(ask(alias)))


def spoil(request: HttpRequest, alias: str) -> HttpResponse:
    """Close a connection in the driver, behind Django's back."""
    connections[alias].ensure_connection()
    connections[alias].connection.close()
    return HttpResponse()


def process_group(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(os.getpgrp()))


def later(request: HttpRequest, alias: str) -> HttpResponse:
    request.unigate.wait_until(note, alias)
    return HttpResponse(str(ask(alias)))


async def later_async(request: HttpRequest, alias: str) -> HttpResponse:
    request.unigate.wait_until(sync_to_async(note)(alias))
    return HttpResponse(str(await sync_to_async(ask)(alias)))


def note(alias: str) -> None:
    print(f"later: {ask(alias)}", flush=True)


urlpatterns = [
    path("query/<alias>", query),
    path("async/<alias>", query_async),
    path("atomic/<alias>", query_atomic),
    path("spoil/<alias>", spoil),
    path("process-group", process_group),
    path("later/<alias>", later),
    path("later-async/<alias>", later_async),
]

wsgi = unigate.wrap(get_wsgi_application())
asgi = unigate.wrap(get_asgi_application())
