"""A program that imports an application and reports the time and the files that it writes.

    python -X importtime import_probe.py <module:app> <file for the report>

It imports nothing of unigate, so that only the application's imports are measured.
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

# Audit events that change the file system, and the positions of the paths in their arguments.
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
    """Import an application under an audit hook, and write the report.

    Args:
        target: The import string of the application.
        report: The file for the report, a JSON object: "seconds", and "written", a list of the
            path of each written file and the line of the project that wrote it.
    """
    root = os.getcwd()
    written: list[tuple[str, str]] = []
    databases: list[tuple[str, str, tuple[int, int]]] = []
    watching = True

    def hook(event: str, args: tuple[object, ...]) -> None:
        if not watching:
            return
        for path in written_paths(event, args):
            written.append((os.path.abspath(path), _project_line(root)))
        if event == "sqlite3.connect" and (file := database_file(args[0])):
            databases.append((os.path.abspath(file), _project_line(root), _state(file)))

    sys.path[0] = root  # replaces the folder of this file
    sys.addaudithook(hook)
    begun = time.perf_counter()
    try:
        _load(target)
    finally:
        seconds = time.perf_counter() - begun
        watching = False
        # SQLite's own writes raise no audit event: compare the files.
        written += [(path, line) for path, line, state in databases if _state(path) != state]
        with open(report, "w", encoding="utf-8") as file:
            json.dump({"written": written, "seconds": seconds}, file)


def _load(target: str) -> None:
    """Import a target, and the import strings that a gateway loads at its first request."""
    module, _, attribute = target.partition(":")
    value: object = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        value = getattr(value, name)
    if type(value).__module__ == "unigate.gateway":
        getattr(value, "mounts", None)  # loads them


def written_paths(event: str, args: tuple[object, ...]) -> Iterator[str]:
    """Yield the paths that an audit event writes to."""
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
        # A folder with files in it is deployed, so that making it again is harmless.
        if isinstance(path, str) and not (event == "os.mkdir" and _is_filled(path)):
            yield path


def _is_filled(folder: str) -> bool:
    return os.path.isdir(folder) and bool(os.listdir(folder))


def database_file(name: object) -> str:
    """Return the file that `sqlite3.connect` opens for writing, or ""."""
    path = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
    if path.startswith("file:"):
        path, _, query = path.removeprefix("file:").partition("?")
        options = parse_qs(query)
        if options.get("mode") in (["ro"], ["memory"]) or "immutable" in options:
            return ""
        path = unquote(path)
        path = path.removeprefix("//localhost").removeprefix("//") if path[:2] == "//" else path
    return "" if path == ":memory:" else path


def _state(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _project_line(root: str) -> str:
    """Return the innermost running line of the project as "file:line", or ""."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(root + os.sep) and "site-packages" not in file:
            return f"{os.path.relpath(file, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
