"""What a framework's request object has of the common request, for the plugins."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cache import AsyncRuntimeCache, RuntimeCache
    from .client.geolocation import Geolocation
    from .request import Request


class RequestAttributes:
    """A mixin for a framework's request class; every attribute is computed on first use."""

    @property
    @abstractmethod
    def unigate(self) -> Request:
        """The common request, to be defined for the framework."""

    @cached_property
    def geolocation(self) -> Geolocation:
        """The client's location; a field is None unless a trusted source provides it."""
        return self.unigate.geolocation

    @cached_property
    def ip_address(self) -> str | None:
        """The client's IP address in its normal form, or None without a trusted source."""
        return self.unigate.ip_address

    @property
    def runtime_cache(self) -> RuntimeCache:
        """The cache that all requests of the deployment share."""
        return self.unigate.runtime_cache

    @property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache with awaitable methods."""
        return self.unigate.async_runtime_cache
