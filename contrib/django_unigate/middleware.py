"""The middleware that adds the attributes of unigate to Django's requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .conf import read
from .request import HttpRequest as Extended
from .request import extended

GetResponse = (
    Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]
)


class UnigateMiddleware:
    """Add the attributes of `django_unigate.HttpRequest`, in synchronous and asynchronous Django.

    `request.unigate` is the common `unigate.Request`: the gateway's, or without a gateway (a plain
    WSGI or ASGI server, a test client) one built from the environ or the scope. With
    `UNIGATE = {"REMOTE_ADDR": True}`, REMOTE_ADDR becomes `request.ip_address` for the views and
    the middleware that follow.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._sets_remote_addr = read().remote_addr
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Return the response of the next layer, or in asynchronous Django an awaitable of it.

        One body serves both, because nothing is awaited here.
        """
        # The class has the attributes, not the request: unused ones cost nothing.
        request.__class__ = extended(type(request))
        if self._sets_remote_addr:
            _set_remote_addr(request)
        return self.get_response(request)


def _set_remote_addr(request: HttpRequest) -> None:
    assert isinstance(request, Extended)  # its class was replaced above
    if request.ip_address:
        request.META["REMOTE_ADDR"] = request.ip_address
