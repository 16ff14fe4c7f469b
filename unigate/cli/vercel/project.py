"""The project as Vercel deploys it: entry points, functions, and the rules that lead to them.

Vercel deploys a project in one of three ways (read in the packages of `tools.TOOLS`, and tried
with `vercel build`): a framework's preset makes one function that answers every path; without a
preset each file of `api/` is a function; and the old "builds" make functions of the files that they
name, and deploy nothing else.
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

from .entrypoint import find_entrypoint
from .rewrites import Rewrite, read_rewrites

VERCEL_JSON = "vercel.json"

# The files in which a preset looks for the entry point, in this order, unless it is configured.
_NAMES = ("app", "index", "server", "main", "wsgi", "asgi")
_FOLDERS = ("", "src/", "app/", "api/")
# Source: `getApiMatches` of @vercel/fs-detectors.
_OTHER_LANGUAGES = (".js", ".mjs", ".ts", ".tsx", ".go", ".rb", ".rs")
_PLACEHOLDER = re.compile(r"\$\d|:\w+[*+?]?", re.ASCII)


class Entrypoint(NamedTuple):
    """A file that Vercel deploys.

    Attributes:
        file: Its path below the root.
        name: The name in it that is configured; None if Vercel searches the file for one.
        reason: Why Vercel deploys this name, as a clause for messages.
    """

    file: str
    name: str | None = None
    reason: str = "which it finds first"


class RoutingRule(NamedTuple):
    """A rule of vercel.json: one of "rewrites", or one of "routes" with a "dest".

    Attributes:
        source: The pattern, as written.
        destination: The destination, as written, with a leading "/".
        rewrite: The compiled rule.
        before_files: Whether it applies before static files are served.
    """

    source: str
    destination: str
    rewrite: Rewrite
    before_files: bool = False


class VercelProject:
    """A folder as Vercel deploys it.

    Attributes:
        root: The folder.
        vercel_json: The content of vercel.json; empty without the file.
        builds: The "builds" of it.
        preset: Whether a framework's preset makes the one function.

    Args:
        tool_vercel: The table [tool.vercel] of pyproject.toml.
    """

    def __init__(
        self, root: Path, vercel_json: Mapping[str, Any], tool_vercel: Mapping[str, Any]
    ) -> None:
        self.root = root
        self.vercel_json = vercel_json
        self._tool = tool_vercel
        self.builds = _objects(vercel_json, "builds")
        detects = "framework" not in vercel_json
        framework = vercel_json.get("framework")
        # `vercel build` makes functions of api/ unless vercel.json or the project's settings name a
        # framework; Django is found by its manage.py.
        django = (root / "manage.py").is_file()
        functions = not (django or "entrypoint" in tool_vercel) and bool(self._api_functions())
        detected = detects and not functions
        self.preset = not self.builds and (detected or framework in FRAMEWORKS)
        self._may_be_django = self.preset and (detects or framework == "django")

    @cached_property
    def functions(self) -> dict[str, str]:
        """The file of each function by its URL path; empty with a preset."""
        if self.preset:
            return {}
        if self.builds:
            return {f"/{file}": file for file in self._built_files()}
        functions = self._api_functions()
        indexes = {path.removesuffix("/index"): file for path, file in functions.items()}
        return {**indexes, **functions}

    def _api_functions(self) -> dict[str, str]:
        functions = {}
        for file in sorted((self.root / "api").rglob("*.py")):
            path = file.relative_to(self.root)
            hidden = any(part[0] in "._" for part in path.parts)
            if not hidden and read_entrypoint(self.root, path.as_posix()) is not None:
                functions[f"/{path.with_suffix('')}"] = path.as_posix()
        return functions

    def function_sources(self) -> list[str]:
        """Return the files of functions, and those of api/ in other languages, which may be."""
        files = (path.relative_to(self.root) for path in (self.root / "api").rglob("*.*"))
        others = [file.as_posix() for file in files if file.suffix in _OTHER_LANGUAGES]
        return sorted({*self.functions.values(), *others})

    @cached_property
    def rules(self) -> list[RoutingRule]:
        """The "routes", else the "rewrites"; empty if they are malformed."""
        if "routes" in self.vercel_json:
            return list(self._routes())
        try:
            rewrites = read_rewrites(self.root / VERCEL_JSON)
        except Unloadable:
            return []
        rules = zip(_objects(self.vercel_json, "rewrites"), rewrites, strict=True)
        return [
            RoutingRule(rule["source"], str(rule["destination"]), rewrite)
            for rule, rewrite in rules
        ]

    @property
    def builds_only_python(self) -> bool:
        """Whether every entry of "builds" is a Python function."""
        return all(_builder(build) == "@vercel/python" for build in self.builds)

    def entrypoints(self) -> list[Entrypoint]:
        """Return what is deployed; of functions in `api/`, the index and those with a rule."""
        if self.preset:
            entrypoint = self._django_entrypoint() or self.entrypoint()
            return [entrypoint] if entrypoint is not None else []
        if self.builds:
            return [Entrypoint(file) for file in self._built_files()]
        destinations = (
            self.functions.get(rule.rewrite.destination.removesuffix(".py")) for rule in self.rules
        )
        files = dict.fromkeys([self.functions.get("/api/index"), *destinations])
        return [Entrypoint(file) for file in files if file is not None]

    def entrypoint(self) -> Entrypoint | None:
        """Return the main entry point, as far as it can be found without importing a file."""
        configured = self._tool.get("entrypoint")
        if self.preset and isinstance(configured, str):
            module, _, name = configured.partition(":")
            path = module.strip().replace(".", "/")
            package = (self.root / path / "__init__.py").is_file()
            file = f"{path}/__init__.py" if package else f"{path}.py"
            return Entrypoint(file, name.strip() or None, "the entrypoint of [tool.vercel]")
        if self.builds:
            return next(map(Entrypoint, self._built_files()), None)
        if not self.preset:
            index = "api/index.py"
            return Entrypoint(index) if (self.root / index).is_file() else None
        files = (f"{folder}{name}.py" for folder in _FOLDERS for name in _NAMES)
        return next((Entrypoint(file) for file in files if read_entrypoint(self.root, file)), None)

    def resolves(self, destination: str) -> bool:
        """Return True if a function or a static file answers a destination."""
        path = destination.partition("?")[0].rstrip("/")
        pattern = re.compile(".*".join(map(re.escape, _PLACEHOLDER.split(path))))
        sample = _PLACEHOLDER.sub("x", path)
        for function in self.functions:
            dynamic = re.sub(r"\\\[\\\.\\\.\\\..*?\\\]", ".+", re.escape(function))
            dynamic = re.sub(r"\\\[.*?\\\]", "[^/]+", dynamic)
            if any(pattern.fullmatch(name) for name in (function, f"{function}.py")):
                return True
            if re.fullmatch(dynamic, sample.removesuffix(".py")):
                return True
        return self._is_static_file(sample)

    def static_files(self) -> list[str]:
        """Return the files of public/, by their path in it, without hidden ones."""
        public = self.root / "public"
        files = (file.relative_to(public) for file in public.rglob("*") if file.is_file())
        return sorted(file.as_posix() for file in files if not file.name.startswith("."))

    def _is_static_file(self, path: str) -> bool:
        """Return True if a path is, or may be, a static file's: a front end may have any."""
        if self.builds:
            return not self.builds_only_python
        front_end = self.vercel_json.get("framework") or "outputDirectory" in self.vercel_json
        if front_end and not self.preset:
            return not path.startswith("/api")
        public = self.root / "public"
        # A preset serves none of the sources; functions in api/ leave them public.
        folder = public if public.is_dir() or self.preset else self.root
        names = (path, f"{path}.html", f"{path}/index.html")
        return any((folder / name.lstrip("/")).is_file() for name in names)

    def _built_files(self) -> Iterator[str]:
        for build in self.builds:
            if _builder(build) == "@vercel/python":
                for file in sorted(self.root.glob(str(build.get("src")).lstrip("/"))):
                    yield file.relative_to(self.root).as_posix()

    def _routes(self) -> Iterator[RoutingRule]:
        before_files = True
        for route in _objects(self.vercel_json, "routes"):
            source, destination = route.get("src"), route.get("dest")
            before_files = before_files and "handle" not in route
            if not isinstance(source, str) or not isinstance(destination, str):
                continue
            external = "://" in destination
            path = destination if external else f"/{destination.lstrip('/')}"
            try:
                pattern = re.compile(source.removeprefix("^").removesuffix("$"))
            except re.error:  # syntax that only JavaScript has
                continue
            problem = "It leads outside the project." if external else ""
            yield RoutingRule(source, path, Rewrite(pattern, path, (), problem), before_files)

    def _django_entrypoint(self) -> Entrypoint | None:
        """Return the application that the settings name: the preset for Django deploys that one.

        Vercel detects Django by a manage.py, unless vercel.json names a framework.
        """
        manage = self.root / "manage.py"
        if not self._may_be_django or not manage.is_file() or "django" not in sys.modules:
            return None
        from django.conf import settings

        if "DJANGO_SETTINGS_MODULE" not in manage.read_text("utf-8") or not settings.configured:
            return None
        for setting in ("ASGI_APPLICATION", "WSGI_APPLICATION"):
            module, _, name = (getattr(settings, setting, None) or "").rpartition(".")
            if module:
                file = f"{module.replace('.', '/')}.py"
                return Entrypoint(file, name, f"the {setting} of Django")
        return None


def read_vercel_json(root: Path) -> dict[str, Any] | None:
    """Return the content of vercel.json; None without the file, or if it is not a JSON object."""
    try:
        content = json.loads((root / VERCEL_JSON).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_entrypoint(root: Path, file: str) -> tuple[str, int] | None:
    """Return the name that Vercel deploys of a file, and its line; None if it finds none."""
    try:
        entrypoint = find_entrypoint((root / file).read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    return (entrypoint[0], entrypoint[1].lineno) if entrypoint is not None else None


def _objects(vercel_json: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list; Vercel itself refuses a list with other values."""
    items = vercel_json.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _builder(build: Mapping[str, Any]) -> str:
    """Return the package of a build, without its version."""
    return re.sub(r"(?<=.)@.*", "", str(build.get("use")))
