"""Vercel's rules for a project: its entry points, functions and rewrites."""

from __future__ import annotations
