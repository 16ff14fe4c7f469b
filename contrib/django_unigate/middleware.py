"""Put the common request of unigate on Django's request, as `request.unigate`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from unigate import Request

GetResponse = (
    Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]
)


class UnigateMiddleware:
    """Set `request.unigate`, the common `unigate.Request`, in synchronous and asynchronous Django.

    Behind the gateway it is the request that the host brought; without one (a plain WSGI or ASGI
    server, a test client) it is built from the environ or the scope on first use.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer with what is inside: a response, or in asynchronous Django the awaitable of one.

        One body serves both, because nothing is awaited here.
        """
        request.unigate = common_request(request)  # type: ignore[attr-defined]
        return self.get_response(request)


def common_request(request: HttpRequest) -> Request | SimpleLazyObject[Request]:
    """Return the gateway's request, or one that is built when it is first looked at."""
    carrier = request.scope if isinstance(request, ASGIRequest) else request.META
    return carrier.get("unigate.request") or SimpleLazyObject(partial(_build, request))


def _build(request: HttpRequest) -> Request:
    meta = request.META
    if isinstance(request, ASGIRequest):
        # The scope of Django's test client has text here, against the ASGI specification.
        return Request.from_scope({**request.scope, "query_string": meta["QUERY_STRING"].encode()})
    # Django has decoded these two in place; PEP 3333 shows their bytes as Latin-1.
    paths = {key: meta[key].encode().decode("latin-1") for key in ("SCRIPT_NAME", "PATH_INFO")}
    return Request.from_environ({**meta, **paths})
