"""The errors of unigate's own; wrong arguments are a TypeError or a ValueError.

UnigateError
 ├─ UnknownEvent       no event source recognises the event
 ├─ InvalidEvent       the source is known, the event contradicts itself: answered as a 400
 │   └─ TooLarge       the request's body did not arrive whole: answered as a 413
 ├─ UnknownInterface   the object is neither a WSGI nor an ASGI application
 ├─ LifespanFailed     the application refused to start
 ├─ IncompleteResponse the application ended without a whole response
 └─ CacheError         the runtime cache cannot be reached, and is strict
"""

from __future__ import annotations


class UnigateError(Exception):
    """Base of all of these."""


class UnknownEvent(UnigateError):
    """No event source recognises the event."""


class InvalidEvent(UnigateError):
    """The event contradicts itself, for example a body that is not the base64 it claims to be."""

    status = 400


class TooLarge(InvalidEvent):
    """The platform has cut the body of the request off."""

    status = 413


class UnknownInterface(UnigateError, TypeError):
    """The object is neither a WSGI nor an ASGI application, or it cannot be told which."""


class LifespanFailed(UnigateError):
    """The application did not start."""


class IncompleteResponse(UnigateError):
    """The application ended without sending a whole response."""


class CacheError(UnigateError):
    """The runtime cache cannot be reached, and was told to say so."""
