"""The body of a live request, received as a whole before the application is called."""

from __future__ import annotations

import logging
from functools import partial
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

from unigate.request import Request

from .disconnects import Client, ClientGone, ClientStalled
from .limits import Limits
from .threads import Threads

_log = logging.getLogger("unigate")


class Refused(Exception):
    """The request is answered with an error in place of the application.

    Attributes:
        status: The status of the response.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def receive_body(
    request: Request, client: Client, limits: Limits, threads: Threads
) -> tuple[IO[bytes], int]:
    """Return the body as a file, in memory or on disk, and its size.

    The file on disk has no name, so nothing is left of it even if the process is killed.

    Args:
        threads: Run what may wait for the disk.

    Raises:
        ClientGone: If the client disconnects before the end.
        Refused: If the client stands still (408), the body is too large (413), or the disk does
            not take it (503).
    """
    try:
        return await _receive(request, client, limits, threads)
    except ClientStalled as stalled:
        _log.debug("%r ended early: %s", request, stalled)
        raise Refused(408) from None
    except ClientGone:
        raise
    except OSError as error:
        _log.error("%r refused: its body cannot be stored.", request, exc_info=error)
        raise Refused(503) from error


async def _receive(
    request: Request, client: Client, limits: Limits, threads: Threads
) -> tuple[IO[bytes], int]:
    announced = request.headers.get("content-length") or ""
    if announced.isascii() and announced.isdigit() and len(announced) < 20:
        _check_size(int(announced), request, limits)
    held = bytearray()
    size = 0
    file: IO[bytes] | None = None
    more = True
    try:
        while more:
            message = await client.receive()
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            _check_size(size, request, limits)
            held += part
            del message, part  # not kept while the client is waited for
            if len(held) > limits.body_memory or (file is not None and not more):
                file = file or TemporaryFile()  # noqa: SIM115 - closed by the application's run
                await threads.run(partial(_append, file, held))
                held = bytearray()
    except BaseException:
        if file is not None:
            file.close()
        raise
    if file is None:
        return BytesIO(held), size
    file.seek(0)
    return file, size


def _append(file: IO[bytes], data: bytearray) -> None:
    file.write(data)
    file.flush()  # a full disk must show here


def _check_size(size: int, request: Request, limits: Limits) -> None:
    if size > limits.body_size:
        _log.warning(
            "%r refused: its body is larger than %d bytes (UNIGATE_BODY_LIMIT).",
            request,
            limits.body_size,
        )
        raise Refused(413)
