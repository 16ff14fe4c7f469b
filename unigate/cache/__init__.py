"""The runtime cache: JSON values by key and tag, in memory, Redis or Vercel's Runtime Cache."""

from __future__ import annotations

from .async_runtime_cache import AsyncRuntimeCache
from .backend import AtomicBackend, Backend, Lease, LeasingBackend, LoadingBackend
from .locks import AsyncLock, Lock
from .runtime_cache import RuntimeCache
from .selection import check_backend, default_backend, open_backend

__all__ = [
    "AsyncLock",
    "AsyncRuntimeCache",
    "AtomicBackend",
    "Backend",
    "Lease",
    "LeasingBackend",
    "LoadingBackend",
    "Lock",
    "RuntimeCache",
    "check_backend",
    "default_backend",
    "open_backend",
]
