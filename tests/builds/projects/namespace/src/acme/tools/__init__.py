"""A part of the namespace package acme."""

from __future__ import annotations

NAME = "acme"
