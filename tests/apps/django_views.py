"""The contract in Django."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from .contract import EXPIRES, answer


@csrf_exempt
def view(request: HttpRequest) -> HttpResponse:
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.META.get("QUERY_STRING", "")
    parts = answer(request.method or "", request.path, query, headers, request.body)
    response = HttpResponse(b"".join(parts.chunks), status=parts.status)
    del response["content-type"]
    for name, value in parts.headers:
        response[name] = f"{response[name]}, {value}" if name in response else value
    for name, value in parts.cookies:
        response.set_cookie(name, value, expires=EXPIRES)
    return response


def handlers() -> tuple[Any, Any]:
    """Return the WSGI and the ASGI application."""
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application(), get_asgi_application()
