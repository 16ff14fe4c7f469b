"""What Vercel does with a project: its entry points, functions and rewrites."""

from __future__ import annotations
