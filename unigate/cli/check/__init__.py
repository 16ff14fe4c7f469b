"""The checks of `unigate check`: mistakes that show only when a project is deployed."""

from __future__ import annotations
