"""What `unigate dev --stream` runs on: the Lambda runtime, and a local Runtime API for it."""

from __future__ import annotations
