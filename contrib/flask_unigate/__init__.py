"""What a Flask application has of unigate: attributes of its request, and a gateway around it."""

from __future__ import annotations

from .extension import Unigate
from .request import Request

__all__ = ["Request", "Unigate"]
