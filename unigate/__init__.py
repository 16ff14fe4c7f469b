"""Turn any WSGI or ASGI application into one object that every host can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .deployment import Deployment, geolocation, ip_address
from .gateway import Gateway, wrap
from .http.headers import Headers
from .http.responses import Response
from .request import Request, current_request

if TYPE_CHECKING:
    from .background import around_work, wait_until
    from .cache import AsyncRuntimeCache, RuntimeCache
    from .client.geolocation import Geolocation
    from .errors import (
        ApplicationAborted,
        CacheError,
        IncompleteResponse,
        InvalidEvent,
        LifespanFailed,
        LockError,
        TooLarge,
        UnigateError,
        UnknownEvent,
        UnknownInterface,
    )
    from .http.identity import Identity
    from .prefixes import without_prefix
    from .vercel_env import get_env

__all__ = [
    "ApplicationAborted",
    "AsyncRuntimeCache",
    "CacheError",
    "Deployment",
    "Gateway",
    "Geolocation",
    "Headers",
    "Identity",
    "IncompleteResponse",
    "InvalidEvent",
    "LifespanFailed",
    "LockError",
    "Request",
    "Response",
    "RuntimeCache",
    "TooLarge",
    "UnigateError",
    "UnknownEvent",
    "UnknownInterface",
    "around_work",
    "current_request",
    "geolocation",
    "get_env",
    "ip_address",
    "wait_until",
    "without_prefix",
    "wrap",
]

# Imported at first use (PEP 562): at a cold start they would cost a tenth of its time.
_LATER = {
    "ApplicationAborted": "errors",
    "AsyncRuntimeCache": "cache",
    "CacheError": "errors",
    "Geolocation": "client.geolocation",
    "Identity": "http.identity",
    "IncompleteResponse": "errors",
    "InvalidEvent": "errors",
    "LifespanFailed": "errors",
    "LockError": "errors",
    "RuntimeCache": "cache",
    "TooLarge": "errors",
    "UnigateError": "errors",
    "UnknownEvent": "errors",
    "UnknownInterface": "errors",
    "around_work": "background",
    "get_env": "vercel_env",
    "wait_until": "background",
    "without_prefix": "prefixes",
}

if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})
