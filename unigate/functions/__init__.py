"""The names of Vercel's `vercel.functions`, for every host: only the import changes."""

from __future__ import annotations

from unigate.background import wait_until
from unigate.cache import AsyncRuntimeCache, RuntimeCache
from unigate.client.geolocation import Geolocation as Geo
from unigate.deployment import geolocation, ip_address
from unigate.vercel_env import Env, get_env

from .caches import get_cache
from .deadline import get_deadline
from .request_headers import get_headers, set_headers

__all__ = [
    "AsyncRuntimeCache",
    "Env",
    "Geo",
    "RuntimeCache",
    "geolocation",
    "get_cache",
    "get_deadline",
    "get_env",
    "get_headers",
    "ip_address",
    "set_headers",
    "wait_until",
]
