"""Context variables that layers on both sides of a request ask for, and that stand below them all.

What runs an application sets the current request, the cache and `wait_until` read it. A host that
calls a function around a gateway sets what answers the events that reach the gateway.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

current_request_var: ContextVar[Any] = ContextVar("unigate.request")
"""The `unigate.Request` that is being answered; `unigate.current_request()` reads it typed."""

event_host_var: ContextVar[Any] = ContextVar("unigate.event_host", default=None)
"""A callable (gateway, event, context) that answers parsed events in place of their gateway."""
