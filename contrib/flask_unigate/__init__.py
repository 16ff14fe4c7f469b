"""unigate for Flask: attributes of `flask.request`, the gateway, a command, a cachelib cache."""

from __future__ import annotations

from .extension import Unigate
from .request import Request

__all__ = ["Request", "Unigate"]
