"""The page `/_unigate/` of `unigate dev`: it shows each request and can send it again."""

from __future__ import annotations
