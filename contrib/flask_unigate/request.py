"""The attributes that `Unigate` adds to `flask.request`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import flask

import unigate

if TYPE_CHECKING:
    from unigate import AsyncRuntimeCache, Deployment, Geolocation, RuntimeCache


class RequestMixin:
    """Add to a request class of Flask what unigate knows; all of it is found out on first use."""

    environ: dict[str, Any]
    unigate_deployment: Deployment | None = None

    @cached_property
    def unigate(self) -> unigate.Request:
        """The common request: the gateway's, or one read from the environ where there is none.

        What the application's own settings say of its deployment goes before what the gateway
        says: a gateway that somebody else has put around it may know less.
        """
        known: unigate.Request | None = self.environ.get("unigate.request")
        common = unigate.Request.from_environ(self.environ) if known is None else known
        common.deployment = self.unigate_deployment or common.deployment
        return common

    @cached_property
    def geolocation(self) -> Geolocation:
        """Where the client is; None for what nobody says who can be believed."""
        return self.unigate.geolocation

    @cached_property
    def ip_address(self) -> str | None:
        """The client's address, None where nobody says it who can be believed."""
        return self.unigate.ip_address

    @property
    def runtime_cache(self) -> RuntimeCache:
        """The cache that all requests of this deployment share."""
        return self.unigate.runtime_cache

    @property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache, to be awaited."""
        return self.unigate.async_runtime_cache


class Request(flask.Request, RequestMixin):
    """Flask's request with the attributes of unigate, for annotations and custom classes."""
