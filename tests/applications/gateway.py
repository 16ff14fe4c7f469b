"""What hosts run: the gateway around the application that SITE names."""

from __future__ import annotations

import os
from typing import Any

import unigate

app = unigate.wrap(os.environ["SITE"])


def main(request: Any) -> Any:
    """Answer Google's functions-framework."""
    return app.google(request)
