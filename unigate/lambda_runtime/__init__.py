"""A Lambda runtime that streams responses, works after them, and runs invocations concurrently.

`python -m unigate.lambda_runtime main.app` takes the place of AWS's runtime client. It uses the
Runtime API, which is public and stable. The library does not depend on it; on the command line only
`unigate dev --stream` and `unigate build` do.
"""

from __future__ import annotations

from .hooks import on_invocation_end, on_restore, on_snapshot

__all__ = ["on_invocation_end", "on_restore", "on_snapshot"]
