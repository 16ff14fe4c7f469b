"""Read a project: its application, its settings in pyproject.toml, its files and its routes."""

from __future__ import annotations
