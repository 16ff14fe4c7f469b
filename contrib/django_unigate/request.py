"""Django's request with the attributes of unigate."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import django.http
from django.core.handlers.asgi import ASGIRequest

from unigate import Request
from unigate.request_attributes import RequestAttributes


class HttpRequest(RequestAttributes, django.http.HttpRequest):
    """A request that has passed `UnigateMiddleware`, for annotations in views.

    Every attribute of unigate is computed on first use.
    """

    @cached_property
    def unigate(self) -> Request:
        """The common request: the gateway's, or one built from the environ or the ASGI scope."""
        request: django.http.HttpRequest = self
        carrier = request.scope if isinstance(request, ASGIRequest) else request.META
        return carrier.get("unigate.request") or _build(request)

    def __reduce__(self) -> tuple[Any, ...]:
        """Name Django's own class for `copy` and `pickle`, which cannot import this one."""
        [own] = [base for base in type(self).__bases__ if base not in _ADDED]
        return _restored, (own,), self.__getstate__()


_ADDED = (HttpRequest, RequestAttributes)
_extended: dict[type, type[HttpRequest]] = {}


def extended(own: type[django.http.HttpRequest]) -> type[HttpRequest]:
    """Return a subclass of a request class that has the attributes of `HttpRequest`.

    A class that has them already is returned as it is.
    """
    extension = _extended.get(own)
    if extension is None:
        if issubclass(own, HttpRequest):
            extension = own
        else:
            extension = type(own.__name__, (HttpRequest, own), {"__module__": own.__module__})
        _extended[own] = extension
    return extension


def _restored(own: type[django.http.HttpRequest]) -> HttpRequest:
    extension = extended(own)
    return extension.__new__(extension)


def _build(request: django.http.HttpRequest) -> Request:
    meta = request.META
    if isinstance(request, ASGIRequest):
        # Django's test client puts text here; the ASGI specification requires bytes.
        return Request.from_scope({**request.scope, "query_string": meta["QUERY_STRING"].encode()})
    # Django decodes these two in place; PEP 3333 requires their bytes as Latin-1.
    paths = {key: meta[key].encode().decode("latin-1") for key in ("SCRIPT_NAME", "PATH_INFO")}
    return Request.from_environ({**meta, **paths})
