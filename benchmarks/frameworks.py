"""Real applications of the benchmarks, one for each framework; nothing here is measured.

Each answers `GET /orders/<number>` with a small JSON object, as a handler of an application does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FOUND = {"id": 7, "state": "shipped", "lines": []}


def flask_app() -> Any:
    """Return a Flask application."""
    from flask import Flask

    app = Flask("orders")

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, Any]:
        return FOUND | {"id": number}

    return app


def django_app() -> Any:
    """Return a Django application with the middleware of a new project that needs no database."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    def order(request: HttpRequest, number: int) -> JsonResponse:
        return JsonResponse(FOUND | {"id": number})

    class Urls:
        urlpatterns = [path("orders/<int:number>", order)]

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=Urls,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
    )
    django.setup()
    return get_wsgi_application()


def fastapi_app() -> Any:
    """Return a FastAPI application."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int) -> dict[str, Any]:
        return FOUND | {"id": number}

    return app


def powertools_handler(resolver: type) -> Callable[..., dict[str, Any]]:
    """Return a handler of Powertools, which has routes of its own and runs no other application.

    Args:
        resolver: The class of the resolver for the events.
    """
    app: Any = resolver()

    @app.get("/orders/<number>")
    def order(number: str) -> dict[str, Any]:
        return FOUND | {"id": int(number)}

    handler: Callable[..., dict[str, Any]] = app.resolve
    return handler
