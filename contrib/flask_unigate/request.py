"""The attributes that `Unigate` adds to `flask.request`, and `flask.request` with their types."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import flask
from werkzeug.local import LocalProxy

import unigate
from unigate.request_attributes import RequestAttributes

if TYPE_CHECKING:
    from unigate import Deployment


class RequestMixin(RequestAttributes):
    """A mixin for request classes of Flask; every attribute is computed on first use."""

    environ: dict[str, Any]
    unigate_deployment: Deployment | None = None

    @cached_property
    def unigate(self) -> unigate.Request:
        """The common request: the gateway's, or without a gateway one read from the environ.

        The application's own deployment settings override those of the gateway: another gateway
        around the application may not have them.
        """
        outer: unigate.Request | None = self.environ.get("unigate.request")
        request = unigate.Request.from_environ(self.environ) if outer is None else outer
        request.deployment = self.unigate_deployment or request.deployment
        return request


class RemoteAddr(flask.Request):
    """What goes before a request class with `RequestMixin`, for UNIGATE_REMOTE_ADDR."""

    ip_address: str | None

    def __init__(self, environ: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(environ, *args, **kwargs)
        if self.ip_address:
            environ["REMOTE_ADDR"] = self.remote_addr = self.ip_address


class Request(flask.Request, RequestMixin):
    """Flask's request with the attributes of unigate, for annotations and as a base class."""


def _extended() -> Request:
    current = cast("LocalProxy[flask.Request]", flask.request)._get_current_object()
    if not isinstance(current, RequestMixin):
        app = flask.current_app.name
        raise RuntimeError(
            f"flask_unigate.request needs the extension, which the Flask application {app!r} does "
            "not have: call Unigate(app), or init_app(app) in the factory."
        )
    return cast("Request", current)


request = cast("Request", LocalProxy(_extended))
"""`flask.request` with the types of unigate's attributes.

RuntimeError: The application does not have the extension, or there is no current request.
"""
