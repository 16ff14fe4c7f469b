"""Turn any WSGI or ASGI application into one object that every host can run."""

from __future__ import annotations

from .background import wait_until
from .cache import AsyncRuntimeCache, RuntimeCache
from .deployment import geolocation, ip_address
from .errors import (
    CacheError,
    IncompleteResponse,
    InvalidEvent,
    LifespanFailed,
    TooLarge,
    UnigateError,
    UnknownEvent,
    UnknownInterface,
)
from .gateway import Gateway, wrap
from .geo import Geolocation
from .http import Headers, Identity, Request, Response, current_request
from .platforms import get_env

__all__ = [
    "AsyncRuntimeCache",
    "CacheError",
    "Gateway",
    "Geolocation",
    "Headers",
    "Identity",
    "IncompleteResponse",
    "InvalidEvent",
    "LifespanFailed",
    "Request",
    "Response",
    "RuntimeCache",
    "TooLarge",
    "UnigateError",
    "UnknownEvent",
    "UnknownInterface",
    "current_request",
    "geolocation",
    "get_env",
    "ip_address",
    "wait_until",
    "wrap",
]
