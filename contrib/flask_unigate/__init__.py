"""unigate for Flask: attributes of `flask.request`, the gateway, commands, a cachelib cache."""

from __future__ import annotations

from .commands import manage
from .extension import Unigate
from .request import Request, request

__all__ = ["Request", "Unigate", "manage", "request"]
