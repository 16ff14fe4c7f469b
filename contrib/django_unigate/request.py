"""Django's request, and what unigate knows about it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import django.http
from django.core.handlers.asgi import ASGIRequest

from unigate import Request

if TYPE_CHECKING:
    from unigate import AsyncRuntimeCache, Geolocation, RuntimeCache


class HttpRequest(django.http.HttpRequest):
    """A request that has passed `UnigateMiddleware`, which views can name as its type.

    Nothing of it is computed before it is asked for.
    """

    @cached_property
    def unigate(self) -> Request:
        """The common request: the gateway's, or one of the environ or the scope without it."""
        request: django.http.HttpRequest = self
        carrier = request.scope if isinstance(request, ASGIRequest) else request.META
        return carrier.get("unigate.request") or _build(request)

    @cached_property
    def geolocation(self) -> Geolocation:
        """Where the client is; None for what nobody says who can be believed."""
        return self.unigate.geolocation

    @cached_property
    def ip_address(self) -> str | None:
        """The client's address, None where nobody says it who can be believed."""
        return self.unigate.ip_address

    @property
    def runtime_cache(self) -> RuntimeCache:
        """The cache that all requests of this deployment share."""
        return self.unigate.runtime_cache

    @property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache, to be awaited."""
        return self.unigate.async_runtime_cache

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a request be copied and pickled as Django's own, whose class has a name."""
        [own] = [base for base in type(self).__bases__ if base is not HttpRequest]
        return _restored, (own,), self.__getstate__()


_extended: dict[type, type[HttpRequest]] = {}


def extended(own: type[django.http.HttpRequest]) -> type[HttpRequest]:
    """Return the class of requests that has the attributes above besides those it has."""
    kind = _extended.get(own)
    if kind is None:
        name = {"__module__": own.__module__}
        kind = own if issubclass(own, HttpRequest) else type(own.__name__, (HttpRequest, own), name)
        _extended[own] = kind
    return kind


def _restored(own: type[django.http.HttpRequest]) -> HttpRequest:
    kind = extended(own)
    return kind.__new__(kind)


def _build(request: django.http.HttpRequest) -> Request:
    meta = request.META
    if isinstance(request, ASGIRequest):
        # The scope of Django's test client has text here, against the ASGI specification.
        return Request.from_scope({**request.scope, "query_string": meta["QUERY_STRING"].encode()})
    # Django has decoded these two in place; PEP 3333 shows their bytes as Latin-1.
    paths = {key: meta[key].encode().decode("latin-1") for key in ("SCRIPT_NAME", "PATH_INFO")}
    return Request.from_environ({**meta, **paths})
