"""Put the common request of unigate on Flask's request, as `flask.request.unigate`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from flask import Flask

from unigate import Request

__all__ = ["Unigate"]


class _WithCommonRequest:
    """Add `unigate` to a Flask request class."""

    environ: dict[str, Any]

    @cached_property
    def unigate(self) -> Request:
        """Return the common request: the gateway's, or one built from the environ without it."""
        known: Request | None = self.environ.get("unigate.request")
        return Request.from_environ(self.environ) if known is None else known


class Unigate:
    """Extend Flask applications so that `flask.request.unigate` is the common `unigate.Request`.

    Behind the gateway it is the request that the host brought; without one (a plain WSGI server, a
    test client) it is built from the WSGI environ on first use. The application's own request class
    is kept: it is extended, not replaced.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with one application, for the factory pattern.

        Set `app.request_class` before, not after. Raises RuntimeError when the application has a
        Unigate extension already.
        """
        if "unigate" in app.extensions:
            message = (
                f"The Flask application {app.name!r} has a Unigate extension already. "
                "Call Unigate(app) or init_app(app) once for each application."
            )
            raise RuntimeError(message)
        app.extensions["unigate"] = self
        own = app.request_class
        app.request_class = type(
            own.__name__, (_WithCommonRequest, own), {"__module__": own.__module__}
        )
