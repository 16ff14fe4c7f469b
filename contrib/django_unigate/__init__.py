"""unigate for Django: a middleware, a typed request, a cache backend, checks and a command."""

from __future__ import annotations

from .request import HttpRequest

__all__ = ["HttpRequest"]
