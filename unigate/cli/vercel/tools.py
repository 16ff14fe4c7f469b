"""The versions of Vercel's npm packages that the rules of this package and its messages are of.

`make builds` installs the newest of this version of `vercel`, compares the others with what it
brings, and runs it on what `unigate build` writes.
"""

from __future__ import annotations

TOOLS = {"vercel": "64", "@vercel/python": "25", "@vercel/python-analysis": "0.14"}
DETECTORS = "7"  # of @vercel/fs-detectors, which `vercel` has in itself
