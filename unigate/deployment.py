"""What the deployer says about a deployment.

Few requests are asked where they come from, or for the cache: what answers that is imported when it
is asked. At every cold start it would take a tenth of the time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from .request import Request

if TYPE_CHECKING:
    from .cache import AsyncRuntimeCache, Backend, RuntimeCache
    from .client.geolocation import Geolocation
    from .client.providers import Provider
    from .client.trust import Origin


class Deployment:
    """Where an application runs and what stands in front of it, as the deployer says.

    platform: the name of a platform that requests come through (`client.providers.PROVIDERS`), or
        what `client.providers.provider` makes of one; by default UNIGATE_PLATFORM, else the one we
        run on.
    trusted_proxies: our own proxies in front of the platform or the server: how many, or their
        addresses and ranges. With ranges, a platform that does not run us is believed only where
        one of them has connected.
    cache: where the runtime cache is kept: a URL, or a backend.
    geoip: the path of a MaxMind database for what no header tells; by default
        UNIGATE_GEOIP_DATABASE.

    Raises ValueError for a platform that is not known and for what is no address or range.
    """

    def __init__(
        self,
        platform: str | Provider | None = None,
        trusted_proxies: int | str | Sequence[str] | None = None,
        cache: str | Backend | None = None,
        *,
        geoip: str | os.PathLike[str] | None = None,
    ) -> None:
        self._platform = platform or os.environ.get("UNIGATE_PLATFORM") or None
        self._trusted_proxies = trusted_proxies
        self._geoip = os.fspath(geoip or os.environ.get("UNIGATE_GEOIP_DATABASE") or "")
        self.cache = cache
        self._judge: Origin | None = None
        if self._platform or trusted_proxies is not None:
            self._origin()
        if isinstance(cache, str):
            from .cache import check_url

            check_url(cache)

    def ip_address(self, request_or_headers: Any) -> str | None:
        """Return the address of the client in its normal form, None where nothing tells it."""
        return self._origin().ip_address(request_or_headers)

    def geolocation(self, request_or_headers: Any) -> Geolocation:
        """Return where the client is; every member is None where nobody can be believed."""
        return self._origin().geolocation(request_or_headers)

    def _origin(self) -> Origin:
        if self._judge is None:
            from .client.trust import Origin

            self._judge = Origin(self._platform, self._trusted_proxies, self._geoip)
        return self._judge

    @cached_property
    def runtime_cache(self) -> RuntimeCache:
        """The cache of this deployment."""
        from .cache import RuntimeCache

        return RuntimeCache(backend=self.cache)

    @cached_property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache, awaitable."""
        from .cache import AsyncRuntimeCache

        return AsyncRuntimeCache(backend=self.cache)


@cache
def default() -> Deployment:
    """Return the deployment of a process that says nothing but what its environment does."""
    return Deployment()


def deployment_of(request: Request | None) -> Deployment:
    """Return the deployment of the gateway that has brought a request."""
    return (request and request.deployment) or default()


Request.default_deployment = staticmethod(default)


def geolocation(request_or_headers: Any) -> Geolocation:
    """Return where the client is; None for what is not known.

    Takes the common request, one of Flask, Django or Starlette, anything with `headers`, a mapping
    of headers, an ASGI scope or a WSGI environ. Headers alone are judged by the current request.
    """
    from .client.trust import look

    seen = look(request_or_headers)
    return deployment_of(seen.request).geolocation(seen)


def ip_address(request_or_headers: Any) -> str | None:
    """Return the address of the client in its normal form, None where nothing tells it.

    Takes what `geolocation` takes. Where headers alone are those of the current request, what the
    platform says of that one counts too.
    """
    from .client.trust import look

    seen = look(request_or_headers)
    return deployment_of(seen.request).ip_address(seen)
