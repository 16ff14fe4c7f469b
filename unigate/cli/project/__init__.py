"""A project on disk: its application, settings, files and routes."""

from __future__ import annotations
