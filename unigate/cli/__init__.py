"""The command line: `main` is the way in, each command has a module of its own."""

from __future__ import annotations
