"""A Lambda runtime: it streams, works on after the response, and answers many requests at once.

`python -m unigate.lambda_runtime main.app` stands in for AWS's runtime client. It speaks the
Runtime API, which is public and stable; nothing else of unigate depends on it.
"""

from __future__ import annotations

from .hooks import on_invocation_end, on_restore, on_snapshot

__all__ = ["on_invocation_end", "on_restore", "on_snapshot"]
