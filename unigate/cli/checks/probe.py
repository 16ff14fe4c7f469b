"""Load an application and report the files that it writes: run as a program, with `-X importtime`.

    python -X importtime probe.py <module:app> <file for the report>

It takes nothing from unigate, so that the times are those of the module.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from types import FrameType


def main(target: str, report: str) -> None:
    """Import the module under a hook that sees every file that is opened."""
    here = os.getcwd()
    written: list[tuple[str, str]] = []
    watching = True

    def hook(event: str, args: tuple[object, ...]) -> None:
        if not watching:
            return
        path = _written(event, args)
        if path is not None:
            written.append((os.path.abspath(path), _culprit(here)))

    sys.path[0] = here  # in place of the folder of this file
    sys.addaudithook(hook)
    try:
        _load(target)
    finally:
        watching = False
        with open(report, "w", encoding="utf-8") as file:
            json.dump(written, file)


def _load(target: str) -> None:
    """Import a target, and what a gateway there has by import strings for its first request."""
    module, _, attribute = target.partition(":")
    found: object = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        found = getattr(found, name)
    load = getattr(found, "_load", None)
    if type(found).__module__ == "unigate.gateway" and load is not None:
        load()


def _written(event: str, args: tuple[object, ...]) -> str | None:
    """Return the path that an event of Python's audit writes to."""
    path = args[0] if args else None
    if isinstance(path, bytes | os.PathLike):
        path = os.fsdecode(path)
    if not isinstance(path, str) or path == ":memory:":
        return None
    if event == "open":
        mode, flags = args[1], args[2]
        writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        writes = writes or (isinstance(mode, str) and any(letter in mode for letter in "wax+"))
        return path if writes else None
    if event == "sqlite3.connect":  # which makes the file where there is none
        return None if os.path.exists(path) else path
    return path if event in ("os.mkdir", "os.rename", "os.remove", "os.symlink") else None


def _culprit(here: str) -> str:
    """Return the innermost line of the project that is running, as "file:line"."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(here + os.sep) and "site-packages" not in file:
            return f"{os.path.relpath(file, here)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
