"""Load an application and report how long that takes and which files it writes.

Run as a program, with `-X importtime`:

    python -X importtime import_probe.py <module:app> <file for the report>

It takes nothing from unigate, so that the times are those of the module.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from types import FrameType
from urllib.parse import parse_qs, unquote

# Events of Python's audit that change the file system; by which of the arguments are paths.
_CHANGES = {
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
}


def main(target: str, report: str) -> None:
    """Import the module under a hook that sees every file that is opened."""
    here = os.getcwd()
    written: list[tuple[str, str]] = []
    databases: list[tuple[str, str, tuple[int, int]]] = []
    watching = True

    def hook(event: str, args: tuple[object, ...]) -> None:
        if not watching:
            return
        for path in _written(event, args):
            written.append((os.path.abspath(path), _culprit(here)))
        if event == "sqlite3.connect" and (file := _database(args[0])):
            databases.append((os.path.abspath(file), _culprit(here), _state(file)))

    sys.path[0] = here  # in place of the folder of this file
    sys.addaudithook(hook)
    begun = time.perf_counter()
    try:
        _load(target)
    finally:
        seconds = time.perf_counter() - begun
        watching = False
        # SQLite writes without Python: what it did is seen by what has changed.
        written += [(path, who) for path, who, state in databases if _state(path) != state]
        with open(report, "w", encoding="utf-8") as file:
            json.dump({"written": written, "seconds": seconds}, file)


def _load(target: str) -> None:
    """Import a target, and what a gateway there has by import strings for its first request."""
    module, _, attribute = target.partition(":")
    found: object = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        found = getattr(found, name)
    if type(found).__module__ == "unigate.gateway":
        getattr(found, "mounts", None)


def _written(event: str, args: tuple[object, ...]) -> Iterator[str]:
    """Return the paths that an event of Python's audit writes to."""
    if event == "open":
        mode, flags = args[1], args[2]
        writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        writes = writes or (isinstance(mode, str) and any(letter in mode for letter in "wax+"))
        paths = args[:1] if writes else ()
    else:
        paths = tuple(args[place] for place in _CHANGES.get(event, ()))
    for path in paths:
        if isinstance(path, bytes | os.PathLike):
            path = os.fsdecode(path)
        # A folder with something in it is deployed, and to make it again does no harm.
        if isinstance(path, str) and not (event == "os.mkdir" and _is_filled(path)):
            yield path


def _is_filled(folder: str) -> bool:
    return os.path.isdir(folder) and bool(os.listdir(folder))


def _database(name: object) -> str:
    """Return the file that SQLite is asked to open to write, "" where there is none."""
    path = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
    if path.startswith("file:"):
        path, _, query = path.removeprefix("file:").partition("?")
        asked = parse_qs(query)
        if asked.get("mode") in (["ro"], ["memory"]) or "immutable" in asked:
            return ""
        path = unquote(path)
        path = path.removeprefix("//localhost").removeprefix("//") if path[:2] == "//" else path
    return "" if path == ":memory:" else path


def _state(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


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
