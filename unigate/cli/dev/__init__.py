"""`unigate dev`: the server, the reloader, the local host, and the functions that it invokes."""

from __future__ import annotations
