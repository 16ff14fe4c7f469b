"""The page `/_unigate/` of `unigate dev`: what was asked, what became of it, and once more."""

from __future__ import annotations
