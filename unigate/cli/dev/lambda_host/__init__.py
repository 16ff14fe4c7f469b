"""The host of `unigate dev --stream`: our Lambda runtime behind a local Runtime API."""

from __future__ import annotations
