"""The client of a request: its address and its location."""

from __future__ import annotations
