"""A folder of functions, one in each file, as Vercel serves it.

Paths are routed as in the configuration that `vercel build` writes for its router: files first,
then the rewrites of the vercel.json beside the folder, then files with parameters ("[name].py"),
those with more segments first. A function gets the path of the request; a parameter is added to the
query string unless the client sent one of that name, as `vercel dev` does.

Here all functions run in one process and share the modules that they import. Static files and the
rest of vercel.json are not supported, nor are functions that are a class derived from http.server's
BaseHTTPRequestHandler, which is neither WSGI nor ASGI.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from importlib.util import decode_source, module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

import unigate
from unigate import Gateway, Request, UnknownInterface
from unigate.cli.project.target import Unloadable

from .entrypoint import NAMES, find_entrypoint
from .rewrites import Rewrite, read_rewrites


class FunctionFolder:
    """The functions of a folder; its name is the first segment of their paths.

    The files are listed once, so that a requested path never becomes the path of a file. Symbolic
    links are not followed.

    Raises:
        Unloadable: No file is a function, or two of them are indistinguishable for Vercel.
    """

    def __init__(self, folder: Path) -> None:
        real = folder.resolve()
        root = real.parent
        functions = [
            _FunctionFile(file, file.relative_to(root).with_suffix("").parts)
            for file in _candidates(real)
            if _may_be_function(file)
        ]
        if not functions:
            raise Unloadable(f"{str(folder)!r} must be a folder with at least one function.")
        _check_names(functions)
        dynamic = sorted((file for file in functions if file.names), key=_FunctionFile.order)
        self._rewrites = [
            *read_rewrites(root / "vercel.json"),
            *map(_FunctionFile.rewrite, dynamic),
        ]
        self._functions = {file.parts: file for file in functions}
        for file in functions:
            if file.parts[-1] == "index":
                self._functions.setdefault(file.parts[:-1], file)
        if sys.path[0] != str(root):
            sys.path.insert(0, str(root))

    def gateway_of(self, request: Request) -> tuple[Gateway, Request] | None:
        """Return the gateway of a request's function, and the request that the function gets.

        The function's file is loaded at its first request.

        Returns:
            None for a 404.

        Raises:
            BaseException: Any exception of the file's code; the next request loads it again.
        """
        match = self._find(request.raw_path.decode("latin-1"))
        if match is None:
            return None
        function, added = match
        sent = {name for name, _ in parse_qsl(request.query_string.decode("latin-1"), True)}
        pairs = [
            f"{quote(name, safe='')}={quote(value, safe='')}".encode()
            for name, value in added
            if name not in sent
        ]
        if pairs:
            request = copy(request)
            request.query_string = b"&".join([*filter(None, [request.query_string]), *pairs])
        return function.gateway(), request

    def _find(self, path: str) -> tuple[_FunctionFile, list[tuple[str, str]]] | None:
        """Return the function of a path and the query parameters that rewrites add."""
        function = self._at(path)
        if function is not None:
            return function, []
        added: list[tuple[str, str]] = []
        for rewrite in self._rewrites:
            followed = rewrite.follow(path)
            if followed is not None:
                path, more = followed
                added += more
                function = self._at(path)
                if function is not None:
                    return function, added
        return None

    def _at(self, path: str) -> _FunctionFile | None:
        """Return the function at a path, which may end in one "/" or in ".py"."""
        for end in ("/", ".py"):
            # Decoded after the split: "%2F" does not separate segments.
            parts = tuple(map(unquote, path.removesuffix(end).split("/")[1:]))
            if parts in self._functions:
                return self._functions[parts]
        return None


class _FunctionFile:
    """A file with a function, and its gateway once it is loaded."""

    def __init__(self, file: Path, parts: tuple[str, ...]) -> None:
        self.parts = parts
        self.names = [part[1:-1] for part in parts if _is_parameter(part)]
        self.module = ".".join(parts)  # the name that Vercel's runtime gives it
        self._file = file
        self._lock = threading.Lock()
        self._gateway: Gateway | None = None

    def order(self) -> tuple[object, ...]:
        """Return the sort key of a function with parameters."""
        trailing_parameters = 0
        for part in self.parts:
            trailing_parameters = trailing_parameters + 1 if _is_parameter(part) else 0
        named = tuple((not _is_parameter(part), part) for part in self.parts)
        return -len(self.parts), trailing_parameters, named

    def rewrite(self) -> Rewrite:
        """Return the rewrite that leads to this function, with any value for its parameters."""
        *folders, last = ("([^/]+)" if _is_parameter(p) else re.escape(p) for p in self.parts)
        if self.parts[-1] == "index":
            last = r"(?:/?|/index|/index\.py)"
        elif not _is_parameter(self.parts[-1]):
            last = rf"/{last}(?:/|\.py)?"
        else:
            last = f"/{last}"
        pattern = re.compile("".join(f"/{folder}" for folder in folders) + last)
        query = tuple((name, f"${number}") for number, name in enumerate(self.names, 1))
        return Rewrite(pattern, "/" + "/".join(self.parts), query)

    def gateway(self) -> Gateway:
        """Return the file's gateway, or its application, wrapped; load the file if necessary."""
        with self._lock:
            if self._gateway is None:
                self._gateway = self._load()
            return self._gateway

    def _load(self) -> Gateway:
        if os.path.realpath(self._file) != str(self._file):
            raise FileNotFoundError(f"{self._file} has become a symbolic link; not followed.")
        importlib.invalidate_caches()
        spec = spec_from_file_location(self.module, self._file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[self.module] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            application = getattr(module, self._entrypoint())
            return application if isinstance(application, Gateway) else unigate.wrap(application)
        except BaseException:
            del sys.modules[self.module]
            raise

    def _entrypoint(self) -> str:
        entrypoint = find_entrypoint(decode_source(self._file.read_bytes()))
        if entrypoint is None:
            raise UnknownInterface(f"{self._file} has no app or application at its top level.")
        name = entrypoint[0]
        if name not in NAMES:
            raise UnknownInterface(
                f"{self._file} has a class {name!r}, a kind of function that only Vercel runs. "
                "Write a WSGI or ASGI application named app."
            )
        return name


def watched(folder: Path) -> dict[Path, int]:
    """Return the modification times of what a FunctionFolder reads once, in nanoseconds.

    That is the list of a folder's files, and the vercel.json beside it.
    """
    times: dict[Path, int] = {}
    for file in (*_candidates(folder.resolve()), folder.resolve().with_name("vercel.json")):
        with suppress(OSError):  # removed since, or no vercel.json
            times[file] = file.lstat().st_mtime_ns
    return times


def _candidates(folder: Path) -> Iterable[Path]:
    """Yield the files that are functions on Vercel, as far as their names tell."""
    for place, folders, names in os.walk(folder):
        kept = (name for name in folders if name[0] not in "._" and name != "node_modules")
        folders[:] = sorted(kept)
        for name in sorted(names):
            if name.endswith(".py") and name[0] not in "._":
                yield Path(place, name)


def _may_be_function(file: Path) -> bool:
    """Return True if Vercel would make a function of a file, or if the file cannot be parsed."""
    if file.is_symlink() or not file.is_file():
        return False
    try:
        return find_entrypoint(decode_source(file.read_bytes())) is not None
    except (OSError, SyntaxError, ValueError):
        return True


def _is_parameter(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _check_names(functions: Iterable[_FunctionFile]) -> None:
    """Refuse files that Vercel cannot tell apart, and make the names of modules unique."""
    named: dict[tuple[str, ...], str] = {}
    modules: set[str] = set()
    for function in functions:
        shape = tuple("[]" if _is_parameter(part) else part for part in function.parts)
        for number, part in enumerate(function.parts, 1):
            other = named.setdefault(shape[:number], part)
            if other != part:
                place = "/".join(function.parts[: number - 1])
                message = f"{place} has both {other} and {part}, which Vercel cannot tell apart."
                raise Unloadable(message)
        if len(set(function.names)) < len(function.names):
            message = f"{'/'.join(function.parts)}.py has two parameters of the same name."
            raise Unloadable(message)
        while function.module in modules:  # "a.b.py" and "a/b.py" are both "a.b"
            function.module += "_"
        modules.add(function.module)
