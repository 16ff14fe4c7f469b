"""What functions for events return, as JSON can have it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Mapping
from typing import Any

from unigate.http import as_dicts


def plain_result(result: Any) -> Any:
    """Return a result with a dict in place of an event class of Powertools or a pydantic model.

    A trigger of Cognito must return its event. The result of an awaitable is converted when it is
    there.
    """
    if isinstance(result, Mapping) and not isinstance(result, dict):
        return as_dicts(result)
    if hasattr(result, "__await__"):
        return _plain_later(result)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(result, pydantic.BaseModel):
        return result.model_dump(mode="json", by_alias=True)
    return result


async def _plain_later(result: Awaitable[Any]) -> Any:
    return plain_result(await result)
