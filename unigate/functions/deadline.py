"""When the platform ends the current invocation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from unigate.background import remaining_time

if TYPE_CHECKING:
    from datetime import datetime


def get_deadline() -> datetime | None:
    """Return when the platform ends the current request or event, in UTC; None if it says nothing.

    Vercel's runtime says it for each request; elsewhere it follows from the remaining time in the
    context of AWS Lambda and of platforms like it. Servers have no deadline.
    """
    # Vercel's runtime is loaded wherever it answers, and is no dependency of ours.
    vercel: Any = getattr(sys.modules.get("vercel_runtime"), "get_deadline", None)
    deadline: datetime | None = vercel() if vercel is not None else None
    if deadline is not None:
        return deadline
    left = remaining_time()
    if left is None:
        return None
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(seconds=left)
