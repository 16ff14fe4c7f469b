"""What Vercel makes of a project: its functions, and what leads to them.

Three ways (read in vercel 64 and @vercel/python 25, and tried with `vercel build`): a framework's
preset makes one function that answers everything; without one each file of `api/` is a function;
and the old "builds" make functions of the files that they name, and deploy nothing else.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from unigate.cli.project.settings import FRAMEWORKS
from unigate.cli.project.target import Unloadable

from .entrypoint import find_entry
from .rewrites import Rewrite, read_rewrites

FILE = "vercel.json"

# Where a preset looks when nothing says where the entry point is, in this order.
_NAMES = ("app", "index", "server", "main", "wsgi", "asgi")
_FOLDERS = ("", "src/", "app/", "api/")
_GAP = re.compile(r"\$\d|:\w+[*+?]?", re.ASCII)


class Entry(NamedTuple):
    """A file that Vercel deploys, and which name of it; None where Vercel looks for one."""

    file: str
    name: str | None = None
    why: str = "which it finds first"


class Rule(NamedTuple):
    """A rewrite as it is written, and as it works; `early` goes before files."""

    source: str
    destination: str
    works: Rewrite
    early: bool = False


class Vercel:
    """How Vercel deploys the project in a folder, by what its vercel.json says."""

    def __init__(self, root: Path, told: Mapping[str, Any], pyproject: Mapping[str, Any]) -> None:
        self.root = root
        self.told = told
        self._tool = pyproject.get("tool", {}).get("vercel", {})
        self.builds = _members(told, "builds")
        unsaid = "framework" not in told
        self.preset = not self.builds and (unsaid or told["framework"] in FRAMEWORKS)
        self._django = self.preset and told.get("framework", "django") == "django"

    @cached_property
    def functions(self) -> dict[str, str]:
        """Return the file of each path that is a function's own; a preset's has none."""
        if self.preset:
            return {}
        if self.builds:
            return {f"/{file}": file for file in self._built()}
        found = {}
        for file in sorted((self.root / "api").rglob("*.py")):
            path = file.relative_to(self.root)
            hidden = any(part[0] in "._" for part in path.parts)
            if not hidden and read_entry(self.root, path.as_posix()) is not None:
                found[f"/{path.with_suffix('')}"] = path.as_posix()
        indexes = {path.removesuffix("/index"): file for path, file in found.items()}
        return {**indexes, **found}

    @cached_property
    def rules(self) -> list[Rule]:
        """Return what leads one path to another, none where that cannot be read."""
        if "routes" in self.told:
            return list(self._routes())
        try:
            works = read_rewrites(self.root / FILE)
        except Unloadable:
            return []
        told = zip(_members(self.told, "rewrites"), works, strict=True)
        return [Rule(one["source"], str(one["destination"]), work) for one, work in told]

    @property
    def only_python(self) -> bool:
        """Tell whether "builds" names nothing but functions in Python."""
        return all(_builder(build) == "@vercel/python" for build in self.builds)

    def entries(self) -> list[Entry]:
        """Return what is deployed; of a folder of functions, what rewrites lead to."""
        if self.preset:
            found = self._entry_of_django() or self.entry()
            return [found] if found is not None else []
        if self.builds:
            return [Entry(file) for file in self._built()]
        led = (
            self.functions.get(rule.works.destination.removesuffix(".py")) for rule in self.rules
        )
        index = self.functions.get("/api/index")
        return [Entry(file) for file in dict.fromkeys([index, *led]) if file is not None]

    def entry(self) -> Entry | None:
        """Return the one entry point, as far as files say it."""
        told = self._tool.get("entrypoint")
        if self.preset and isinstance(told, str):
            module, _, name = told.partition(":")
            path = module.strip().replace(".", "/")
            package = (self.root / path / "__init__.py").is_file()
            file = f"{path}/__init__.py" if package else f"{path}.py"
            return Entry(file, name.strip() or None, "as [tool.vercel] says")
        if self.builds:
            return next(map(Entry, self._built()), None)
        places = [f"{folder}{name}.py" for folder in _FOLDERS for name in _NAMES]
        places = places if self.preset else ["api/index.py"]
        existing = (place for place in places if (self.root / place).is_file())
        if not self.preset:
            return next(map(Entry, existing), None)
        return next((Entry(one) for one in existing if read_entry(self.root, one)), None)

    def answers(self, destination: str) -> bool:
        """Tell whether a function or a file answers where a rewrite leads."""
        path = destination.partition("?")[0].rstrip("/")
        wanted = re.compile(".*".join(map(re.escape, _GAP.split(path))))
        sample = _GAP.sub("x", path)
        for function in self.functions:
            own = re.sub(r"\\\[\\\.\\\.\\\..*?\\\]", ".+", re.escape(function))
            own = re.sub(r"\\\[.*?\\\]", "[^/]+", own)
            if any(wanted.fullmatch(one) for one in (function, f"{function}.py")):
                return True
            if re.fullmatch(own, sample.removesuffix(".py")):
                return True
        return self._is_file(sample)

    def static_files(self) -> list[str]:
        """Return the files of public/ that are meant for everyone."""
        public = self.root / "public"
        files = (file.relative_to(public) for file in public.rglob("*") if file.is_file())
        return sorted(file.as_posix() for file in files if not file.name.startswith("."))

    def _is_file(self, path: str) -> bool:
        """Tell whether a path is, or may be, that of a file; a front end may answer anything."""
        if self.builds:
            return not self.only_python
        front_end = self.told.get("framework") or "outputDirectory" in self.told
        if front_end and not self.preset:
            return not path.startswith("/api")
        public = self.root / "public"
        folder = public if public.is_dir() else self.root
        names = (path, f"{path}.html", f"{path}/index.html")
        return any((folder / name.lstrip("/")).is_file() for name in names)

    def _built(self) -> Iterator[str]:
        for build in self.builds:
            if _builder(build) == "@vercel/python":
                for file in sorted(self.root.glob(str(build.get("src")).lstrip("/"))):
                    yield file.relative_to(self.root).as_posix()

    def _routes(self) -> Iterator[Rule]:
        early = True
        for route in _members(self.told, "routes"):
            source, destination = route.get("src"), route.get("dest")
            early = early and "handle" not in route
            if not isinstance(source, str) or not isinstance(destination, str):
                continue
            outside = "://" in destination
            path = destination if outside else f"/{destination.lstrip('/')}"
            try:
                pattern = re.compile(source.removeprefix("^").removesuffix("$"))
            except re.error:  # what only JavaScript reads
                continue
            problem = "It leads out of the project." if outside else ""
            yield Rule(source, path, Rewrite(pattern, path, (), problem), early)

    def _entry_of_django(self) -> Entry | None:
        """Return what the settings name: a preset for Django deploys that, whatever else is said.

        A project is Django's by its manage.py, unless vercel.json says what it is.
        """
        manage = self.root / "manage.py"
        if not self._django or not manage.is_file() or "django" not in sys.modules:
            return None
        from django.conf import settings

        if "DJANGO_SETTINGS_MODULE" not in manage.read_text("utf-8") or not settings.configured:
            return None
        for setting in ("ASGI_APPLICATION", "WSGI_APPLICATION"):
            module, _, name = (getattr(settings, setting, None) or "").rpartition(".")
            if module:
                return Entry(f"{module.replace('.', '/')}.py", name, f"the {setting} of Django")
        return None


def read_vercel_json(root: Path) -> dict[str, Any] | None:
    """Return vercel.json, None without one or where it is no JSON object."""
    try:
        found = json.loads((root / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_entry(root: Path, file: str) -> tuple[str, int] | None:
    """Return what Vercel finds in a file and in which line, None where there is nothing."""
    try:
        found = find_entry((root / file).read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    return (found[0], found[1].lineno) if found is not None else None


def _members(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list; what is none is for Vercel to refuse."""
    found = told.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _builder(build: Mapping[str, Any]) -> str:
    """Return the package that a build is for, without its version."""
    return re.sub(r"(?<=.)@.*", "", str(build.get("use")))
