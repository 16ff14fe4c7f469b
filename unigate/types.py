"""Type aliases that the layers share: ASGI, WSGI, events and replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeVarTuple

# ASGI 3 (asgi.readthedocs.io)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# WSGI (PEP 3333)
Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

# What `unigate.wrap` takes: WSGI, ASGI 3, ASGI 2, an import string, a factory. The parameters are
# Any, because frameworks annotate them each in its way, such as dict for a scope.
Application = (
    str
    | Callable[[Any, Any], Iterable[bytes]]
    | Callable[[Any, Any, Any], Awaitable[object]]
    | Callable[[Any], Callable[[Any, Any], Awaitable[object]]]
    | Callable[[], object]
)

# The arguments of a function that is called later.
Given = TypeVarTuple("Given")

# What a platform passes and expects back: JSON objects.
Event = dict[str, Any]
Reply = dict[str, Any]
