"""unigate for Django: a middleware, a typed request, a cache backend, checks and commands."""

from __future__ import annotations

from .commands import manage
from .request import HttpRequest

__all__ = ["HttpRequest", "manage"]
