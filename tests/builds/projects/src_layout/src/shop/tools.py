"""Tools of the shop."""

from __future__ import annotations

NAME = "tools"
