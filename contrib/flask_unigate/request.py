"""The attributes that `Unigate` adds to `flask.request`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import flask

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


class Request(flask.Request, RequestMixin):
    """Flask's request with the attributes of unigate, for annotations and as a base class."""
