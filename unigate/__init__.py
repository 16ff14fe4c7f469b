"""Turn any WSGI or ASGI application into one object that every host can run."""

from __future__ import annotations

from .background import wait_until
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
from .http import Headers, Identity, Request, Response, current_request

__all__ = [
    "CacheError",
    "Gateway",
    "Headers",
    "Identity",
    "IncompleteResponse",
    "InvalidEvent",
    "LifespanFailed",
    "Request",
    "Response",
    "TooLarge",
    "UnigateError",
    "UnknownEvent",
    "UnknownInterface",
    "current_request",
    "wait_until",
    "wrap",
]
