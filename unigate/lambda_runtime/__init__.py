"""A Lambda runtime: it streams, works on after the response, and answers many requests at once.

`python -m unigate.lambda_runtime main.app` stands in for AWS's runtime client. It speaks the
Runtime API, which is public and stable; the library does not depend on it, and of the command line
only `unigate dev --stream`.
"""

from __future__ import annotations

from .hooks import on_invocation_end, on_restore, on_snapshot

__all__ = ["on_invocation_end", "on_restore", "on_snapshot"]
