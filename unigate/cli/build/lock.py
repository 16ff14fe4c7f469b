"""One build at a time writes to an output folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

if sys.platform != "win32":
    import fcntl


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make a folder and lock it; wait while another build has the lock.

    The lock is that of the folder itself, so it needs no file, and the system releases it when a
    process is killed. On Windows, and on file systems without such locks, builds do not wait.
    """
    if sys.platform == "win32":
        folder.mkdir(parents=True, exist_ok=True)
        yield
        return
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _wait(descriptor, folder)
            if _is_open_as(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


def _wait(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        click.echo(f"Another build writes to {folder}: waiting until it has ended.", err=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        pass  # this file system has no locks of folders


def _is_open_as(descriptor: int, folder: Path) -> bool:
    """Return False if the build that had the lock has failed and removed the folder it had made."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    return False
