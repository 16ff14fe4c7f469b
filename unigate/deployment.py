"""What the deployer says about a deployment: the platform, the proxies, the cache, what is text.

Few requests need a client's address or the cache. The modules behind them are imported at first
use: at every cold start they would take a tenth of its time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from .http.bodies import text_types as rule_of_text_types

if TYPE_CHECKING:
    from .cache import AsyncRuntimeCache, Backend, RuntimeCache
    from .client.geolocation import Geolocation
    from .client.providers import Provider
    from .client.trust import Trust


class Deployment:
    """Where an application runs and what stands in front of it.

    Args:
        platform: The platform that requests come through: a name of `client.providers.PROVIDERS`,
            or a `Provider` with other header names (`client.providers.provider`). Default:
            UNIGATE_PLATFORM, else the platform we run on.
        trusted_proxies: The deployer's own proxies in front of the platform or server: their
            number, or their addresses and ranges, "private" and "loopback" among them, as a list
            or separated by commas. With ranges, the headers of a platform that we do not run on are
            trusted only on connections from one of them, and not at all if the event names no
            address.
        cache: The runtime cache: a URL or a backend.
        text_types: Media types that are text beside the known ones (`http.text_types`).
        geoip: The path of a MaxMind database, for locations that no header names. Default:
            UNIGATE_GEOIP_DATABASE.

    Raises:
        ImportError: For a cache whose client library is not installed.
        TypeError: For a cache that is neither a URL nor a backend.
        ValueError: For an unknown platform or cache, for proxies that are not numbers, addresses
            or ranges, and for text types that are not media types.
    """

    def __init__(
        self,
        platform: str | Provider | None = None,
        trusted_proxies: int | str | Sequence[str] | None = None,
        cache: str | Backend | None = None,
        *,
        text_types: Iterable[str] | None = (),
        geoip: str | os.PathLike[str] | None = None,
    ) -> None:
        self.platform = platform or os.environ.get("UNIGATE_PLATFORM") or None
        self.trusted_proxies = trusted_proxies
        self.cache = cache
        self.text_types = rule_of_text_types(text_types)
        self._geoip = os.fspath(geoip or os.environ.get("UNIGATE_GEOIP_DATABASE") or "")
        if self.platform or trusted_proxies is not None:
            vars(self)["trust"] = self._trust()  # wrong arguments fail here, not at a request
        if cache is not None:
            from .cache import check_backend, open_backend

            check_backend(cache)
            if isinstance(cache, str):
                # Before the first request, because the import of redis-py takes a while.
                open_backend(cache)

    @cached_property
    def trust(self) -> Trust:
        """The platforms and proxies whose headers are trusted."""
        return self._trust()

    def _trust(self) -> Trust:
        from .client.trust import Trust

        return Trust(self.platform, self.trusted_proxies, self._geoip)

    @property
    def names_origin(self) -> bool:
        """Whether a proxy is trusted to name the host that clients asked for."""
        given = self.platform or self.trusted_proxies is not None
        return bool(given) and self.trust.names_origin

    @cached_property
    def runtime_cache(self) -> RuntimeCache:
        """The cache of this deployment."""
        from .cache import RuntimeCache

        return RuntimeCache(backend=self.cache)

    @cached_property
    def async_runtime_cache(self) -> AsyncRuntimeCache:
        """The same cache for asynchronous code."""
        from .cache import AsyncRuntimeCache

        return AsyncRuntimeCache(backend=self.cache)

    def ip_address(self, request: object) -> str | None:
        """Return the client's address in its normal form, or None if it is unknown.

        Args:
            request: As for `unigate.geolocation`.
        """
        from .client.trust import evidence_of

        return self.trust.ip_address(evidence_of(request))

    def request_id(self, request: Any) -> str | None:
        """Return the identifier that the platform gave a request, or None.

        Args:
            request: The common request.
        """
        from .client import request_ids

        found = request_ids.given(request.source, request.event, request.context, request.headers)
        if found is not None:
            return found
        from .client.trust import evidence_of

        return self.trust.request_id(evidence_of(request))

    def geolocation(self, request: object) -> Geolocation:
        """Return the client's location; a field is None unless a trusted source provides it.

        Args:
            request: As for `unigate.geolocation`.
        """
        from .client.trust import evidence_of

        return self.trust.geolocation(evidence_of(request))


@cache
def default_deployment() -> Deployment:
    """Return the deployment that the environment alone describes."""
    return Deployment()


def deployment_of(request: Any) -> Deployment:
    """Return the deployment of the gateway that a request came through, else the default one.

    Args:
        request: A `unigate.Request`, or None.
    """
    return (request is not None and request.deployment) or default_deployment()


def geolocation(request: object) -> Geolocation:
    """Return the client's location; a field is None unless a trusted source provides it.

    Args:
        request: The common request, a request of Flask, Django or Starlette, any object
            with `headers`, a mapping of headers, an ASGI scope or a WSGI environ. Headers alone
            are judged by the current request.
    """
    from .client.trust import evidence_of

    evidence = evidence_of(request)
    return deployment_of(evidence.request).geolocation(evidence)


def ip_address(input: object) -> str | None:
    """Return the client's address in its normal form, or None if it is unknown.

    Args:
        input: As for `geolocation`. Headers that are those of the current request
            are completed by what the platform says of it.
    """
    from .client.trust import evidence_of

    evidence = evidence_of(input)
    return deployment_of(evidence.request).ip_address(evidence)
