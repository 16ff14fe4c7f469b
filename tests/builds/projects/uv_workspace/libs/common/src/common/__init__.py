"""A package of this repository."""

from __future__ import annotations

NAME = "common"
