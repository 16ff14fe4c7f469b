"""The names of Vercel's `vercel.functions`, for every host: only the import changes."""

from __future__ import annotations

from .background import wait_until
from .cache import AsyncRuntimeCache, RuntimeCache
from .deployment import geolocation, ip_address
from .vercel_env import get_env

__all__ = [
    "AsyncRuntimeCache",
    "RuntimeCache",
    "geolocation",
    "get_env",
    "ip_address",
    "wait_until",
]
