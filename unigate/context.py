"""The context variable of the current request.

It stands below everything, because layers on both sides of `request` ask for it: what runs an
application sets it, the cache and `wait_until` read it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

current_request_var: ContextVar[Any] = ContextVar("unigate.request")
"""The `unigate.Request` that is being answered; `unigate.current_request()` reads it typed."""
