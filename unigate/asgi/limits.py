"""The limits of WSGI applications under ASGI servers, from environment variables."""

from __future__ import annotations

import os
from typing import NamedTuple


class Limits(NamedTuple):
    """What the clients and requests of an application may take.

    Attributes:
        threads: How many threads run the application at the same time. 40 is what Starlette gives
            to synchronous endpoints.
        body_memory: How many bytes of a request body are kept in memory; the rest is in a
            temporary file.
        body_size: How many bytes a request body may have. 1 GiB is also waitress's limit.
        client_timeout: After how many seconds a client that stands still is broken off.
    """

    threads: int
    body_memory: int
    body_size: int
    client_timeout: int


def read_limits() -> Limits:
    """Read the environment variables.

    Raises:
        ValueError: For a variable that is not a positive integer.
    """
    return Limits(
        threads=_positive("UNIGATE_WSGI_THREADS", 40),
        body_memory=_positive("UNIGATE_BODY_MEMORY", 256 * 1024),
        body_size=_positive("UNIGATE_BODY_LIMIT", 1024**3),
        client_timeout=_positive("UNIGATE_CLIENT_TIMEOUT", 60),
    )


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"{name} must be a positive integer, got {text!r}.")
    return int(text)
