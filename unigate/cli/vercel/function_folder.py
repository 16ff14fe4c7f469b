"""A folder of functions, one in each file, as Vercel serves it.

Which file answers a path is what `vercel build` 64 writes for its router: a file first, then the
rewrites of vercel.json beside the folder, then files with parameters ("[name].py"), those with more
segments before others. A function sees the path that was asked for; a parameter is added to the
query where the client gave none of its name, as `vercel dev` does it.

Here all functions run in one process and share the modules that they import. Static files, and what
else is in vercel.json, are left to Vercel; so are functions that are a class of http.server's kind,
which are neither WSGI nor ASGI.
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

from .entrypoint import NAMES, find_entry
from .rewrites import Rewrite, read_rewrites


class FunctionFolder:
    """The functions of a folder; its name is the first segment of their paths.

    Which files there are is looked up once: no path that is asked for ever becomes that of a file.
    Symbolic links are not followed.

    Raises Unloadable where there is no function, or where Vercel could not tell two of them apart.
    """

    def __init__(self, folder: Path) -> None:
        real = folder.resolve()
        root = real.parent
        functions = [
            _Function(file, file.relative_to(root).with_suffix("").parts) for file in _files(real)
        ]
        if not functions:
            raise Unloadable(f"{str(folder)!r} is no folder with functions in it.")
        _check_names(functions)
        dynamic = sorted((one for one in functions if one.names), key=_Function.order)
        self._rules = [*read_rewrites(root / "vercel.json"), *map(_Function.rule, dynamic)]
        self._places = {one.parts: one for one in functions}
        for one in functions:
            if one.parts[-1] == "index":
                self._places.setdefault(one.parts[:-1], one)
        if sys.path[0] != str(root):
            sys.path.insert(0, str(root))

    def gateway_of(self, request: Request) -> tuple[Gateway, Request] | None:
        """Return the function for a request, and the request as that sees it; None for a 404.

        Raises what the file raises as it is loaded; the next request tries again.
        """
        found = self._find(request.raw_path.decode("latin-1"))
        if found is None:
            return None
        function, added = found
        known = {name for name, _ in parse_qsl(request.query_string.decode("latin-1"), True)}
        pairs = [
            f"{quote(name, safe='')}={quote(value, safe='')}".encode()
            for name, value in added
            if name not in known
        ]
        if pairs:
            request = copy(request)
            request.query_string = b"&".join([*filter(None, [request.query_string]), *pairs])
        return function.gateway(), request

    def _find(self, path: str) -> tuple[_Function, list[tuple[str, str]]] | None:
        function = self._at(path)
        if function is not None:
            return function, []
        added: list[tuple[str, str]] = []
        for rule in self._rules:
            followed = rule.follow(path)
            if followed is not None:
                path, more = followed
                added += more
                function = self._at(path)
                if function is not None:
                    return function, added
        return None

    def _at(self, path: str) -> _Function | None:
        """Return the function at a path; one "/" at the end, or ".py", does not matter."""
        for end in ("/", ".py"):
            # Decoded after it is split: a "%2F" ends no segment.
            parts = tuple(map(unquote, path.removesuffix(end).split("/")[1:]))
            if parts in self._places:
                return self._places[parts]
        return None


class _Function:
    """One file: where it is, and the gateway that it has once it is loaded."""

    def __init__(self, file: Path, parts: tuple[str, ...]) -> None:
        self.parts = parts
        self.names = [part[1:-1] for part in parts if _is_parameter(part)]
        self.module = ".".join(parts)  # as Vercel's runtime names it
        self._file = file
        self._lock = threading.Lock()
        self._gateway: Gateway | None = None

    def order(self) -> tuple[object, ...]:
        """Return what functions with parameters are sorted by."""
        last = 0
        for part in self.parts:
            last = last + 1 if _is_parameter(part) else 0
        named = tuple((not _is_parameter(part), part) for part in self.parts)
        return -len(self.parts), last, named

    def rule(self) -> Rewrite:
        """Return what leads paths with anything in the places of parameters to this function."""
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
        """Return what the file defines, wrapped where it is no gateway, loaded if it has to be."""
        with self._lock:
            if self._gateway is None:
                self._gateway = self._load()
            return self._gateway

    def _load(self) -> Gateway:
        if os.path.realpath(self._file) != str(self._file):
            raise FileNotFoundError(f"{self._file} has become a symbolic link.")
        importlib.invalidate_caches()
        spec = spec_from_file_location(self.module, self._file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[self.module] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            found = getattr(module, self._entry())
            return found if isinstance(found, Gateway) else unigate.wrap(found)
        except BaseException:
            del sys.modules[self.module]
            raise

    def _entry(self) -> str:
        entry = find_entry(decode_source(self._file.read_bytes()))
        if entry is None:
            raise UnknownInterface(f"{self._file} has no app or application at its top level.")
        if entry[0] not in NAMES:
            raise UnknownInterface(
                f"{self._file} has a class {entry[0]!r}, the kind of function that only Vercel "
                "runs. Write a WSGI or ASGI application, and call it app."
            )
        return entry[0]


def watched(folder: Path) -> dict[Path, int]:
    """Return when the files were changed that are looked up once: a folder's, and vercel.json."""
    found: dict[Path, int] = {}
    for file in (*_candidates(folder.resolve()), folder.resolve().with_name("vercel.json")):
        with suppress(OSError):  # it went away, or was never there
            found[file] = file.lstat().st_mtime_ns
    return found


def _files(folder: Path) -> Iterable[Path]:
    """Return the files that Vercel makes functions of."""
    return filter(_may_be_function, _candidates(folder))


def _candidates(folder: Path) -> Iterable[Path]:
    """Return the files whose names Vercel may make functions of."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one[0] not in "._" and one != "node_modules")
        for name in sorted(names):
            if name.endswith(".py") and name[0] not in "._":
                yield Path(place, name)


def _may_be_function(file: Path) -> bool:
    """Tell whether a file defines an application, as Vercel reads it; a broken one may."""
    if file.is_symlink() or not file.is_file():
        return False
    try:
        return find_entry(decode_source(file.read_bytes())) is not None
    except (OSError, SyntaxError, ValueError):
        return True


def _is_parameter(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _check_names(functions: Iterable[_Function]) -> None:
    """Refuse files that Vercel cannot tell apart, and give each a module of its own."""
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
            message = f"{'/'.join(function.parts)}.py has one parameter twice."
            raise Unloadable(message)
        while function.module in modules:  # of "a.b.py" and "a/b.py"
            function.module += "_"
        modules.add(function.module)
