"""unigate for Django: the middleware, typed requests, a cache, checks and a command."""

from __future__ import annotations

from .request import HttpRequest

__all__ = ["HttpRequest"]
