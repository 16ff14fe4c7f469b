"""Run ASGI applications: lifespans, one request in memory, bridges to and from WSGI."""

from __future__ import annotations
