"""`vercel build` on the output of `unigate build`, and its functions in Vercel's runtime.

`vercel build` needs no login if .vercel/project.json exists.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.entrypoints import SOURCES
from tests.cli.function_patterns import FILES, PATTERNS, REWRITES, RUNTIMES
from tests.servers.client import ask
from unigate.cli.vercel.tools import TOOLS

from .conftest import ROOT, UV, Build, build_in, run

DETECT = """
const { findAppOrHandler } = require('@vercel/python-analysis');
const sources = JSON.parse(require('fs').readFileSync(0));
Promise.all(sources.map((source) => findAppOrHandler(source)))
  .then((names) => console.log(JSON.stringify(names)));
"""


def test_our_rule_for_the_entry_point_is_vercels(vercel: Path) -> None:
    done = subprocess.run(
        [vercel / "node", "-e", DETECT], cwd=vercel, capture_output=True, text=True, check=True,
        input=json.dumps([source for source, _ in SOURCES]), timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout) == [name for _, name in SOURCES]


CHECK_FUNCTIONS = """
const { detectBuilders } = require('@vercel/fs-detectors');
const [files, all] = JSON.parse(require('fs').readFileSync(0));
const settings = { projectSettings: { framework: null } };
Promise.all(all.map((functions) => detectBuilders(files, null, { functions, ...settings })))
  .then((found) => console.log(JSON.stringify(found.map((one) => !one.errors))));
"""


def test_our_rules_for_functions_are_vercels(detectors: Path) -> None:
    patterns = [{pattern: {"maxDuration": 9}} for pattern in PATTERNS]
    runtimes = [{"api/index.py": {"runtime": runtime}} for runtime in RUNTIMES]
    done = subprocess.run(
        [detectors / "node", "-e", CHECK_FUNCTIONS], cwd=detectors, capture_output=True, text=True,
        check=True, input=json.dumps([FILES, [*patterns, *runtimes]]), timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout) == [*PATTERNS.values(), *RUNTIMES.values()]


CHECK_REWRITES = """
const { getTransformedRoutes } = require('@vercel/routing-utils');
const all = JSON.parse(require('fs').readFileSync(0))
  .map(([source, destination]) => getTransformedRoutes({ rewrites: [{ source, destination }] }));
console.log(JSON.stringify(all.map((read) => !read.error)));
"""


def test_our_rules_for_rewrites_are_vercels(detectors: Path) -> None:
    done = subprocess.run(
        [detectors / "node", "-e", CHECK_REWRITES], cwd=detectors, capture_output=True, text=True,
        check=True, input=json.dumps([*REWRITES]), timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout) == [not problem for problem in REWRITES.values()]


def test_the_tools_are_those_that_our_rules_are_of(vercel: Path) -> None:
    packages = vercel.parent
    installed = {
        name: json.loads((packages / name / "package.json").read_text())["version"]
        for name in TOOLS
    }
    assert {name: installed[name].startswith(f"{TOOLS[name]}.") for name in TOOLS} == dict.fromkeys(
        TOOLS, True
    ), installed


class Deployment:
    """The output of `vercel build` on a folder."""

    def __init__(self, folder: Path, vercel: Path, python: Path, wheels: Path) -> None:
        self.folder = folder
        self._python = python
        framework = json.loads((folder / "vercel.json").read_text())["framework"]
        project = {"projectId": "p", "orgId": "o", "settings": {"framework": framework}}
        (folder / ".vercel").mkdir()
        (folder / ".vercel/project.json").write_text(json.dumps(project))
        programs = (vercel, UV.parent, python.parent, os.environ["PATH"])
        path = os.pathsep.join(map(str, programs))
        command = [str(vercel / "vercel"), "build", "--yes"]
        run(command, folder, PATH=path, UV_FIND_LINKS=str(wheels), VERCEL_TELEMETRY_DISABLED="1",
            PYTHONPATH="", UV_PYTHON_DOWNLOADS="never")  # fmt: skip
        self.output = folder / ".vercel/output"
        self.config = json.loads((self.output / "config.json").read_text())

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The settings of each function by its path."""
        root = self.output / "functions"
        return {
            file.parent.relative_to(root).as_posix().removesuffix(".func"): json.loads(
                file.read_text()
            )
            for file in root.rglob(".vc-config.json")
        }

    @property
    def static(self) -> set[str]:
        """The paths of the static files."""
        root = self.output / "static"
        return {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}

    def route(self, path: str) -> str:
        """Return the destination of a path in Vercel's router: first files, then rewrites."""
        if path.removeprefix("/") in {*self.functions, *self.static}:
            return path
        phase = "none"
        for rule in self.config["routes"]:
            phase = rule.get("handle", phase)
            match = re.match(rule["src"], path) if "src" in rule else None
            if match and "dest" in rule and phase in ("none", "filesystem", "rewrite"):
                return match.expand(re.sub(r"\$(\d)", r"\\\1", rule["dest"]))
        raise AssertionError(f"Nothing answers {path}.")

    @contextmanager
    def running(self, function: str) -> Iterator[int]:
        """Run a function alone in a folder, as the platform does; yield the port of its server."""
        task = self.folder.parent / "task"
        shutil.rmtree(task, ignore_errors=True)
        made = self.output / f"functions/{function}.func"
        shutil.copytree(made, task)
        for place, source in self.functions[function].get("filePathMap", {}).items():
            (task / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / source, task / place)
        handler = self.functions[function]["handler"].partition(".")[0]
        with Platform(self.folder.parent / "ipc") as platform:
            environment = {
                **self.functions[function]["environment"], "VERCEL_IPC_PATH": str(platform.path),
                "PATH": os.environ["PATH"], "DJANGO_ALLOWED_HOSTS": "*",
                "DJANGO_MIGRATE": "1", "DJANGO_DATABASE": str(self.folder.parent / "db.sqlite3"),
            }  # fmt: skip
            process = subprocess.Popen(
                [self._python, "-c", f"import {handler}"], cwd=task, env=environment,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            try:
                yield platform.port(process)
            finally:
                process.kill()
                process.wait(timeout=60)
                if process.stdout is not None:
                    process.stdout.close()


class Platform:
    """The platform's end of the socket, on which the function sends the port of its server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(0.2)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._ended = False
        self._port = 0

    def __enter__(self) -> Platform:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended = True
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        self._listener.close()

    def port(self, process: subprocess.Popen[str]) -> int:
        """Return the port of the function's server once it has started."""
        deadline = time.monotonic() + 60
        while not self._started.wait(0.1):
            if process.poll() is None and time.monotonic() < deadline:
                continue
            process.kill()
            assert process.stdout is not None
            raise AssertionError(process.stdout.read())
        return self._port

    def _listen(self) -> None:
        while not self._ended:
            try:
                connection = self._listener.accept()[0]
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(0.2)
                rest = b""
                while not self._ended:
                    try:
                        received = connection.recv(65536)
                    except TimeoutError:
                        continue
                    if not received:
                        break
                    *whole, rest = (rest + received).split(b"\0")
                    for message in map(json.loads, whole):
                        if message["type"] == "server-started":
                            self._port = message["payload"]["httpPort"]
                            self._started.set()


@pytest.fixture
def deploy(vercel: Path, python312: Path, wheels: Path) -> Any:
    return lambda folder: Deployment(folder, vercel, python312, wheels)


def example(name: str, out: Path, wheels: Path, *options: str) -> Path:
    command = ["api.index:app", "--target", "vercel", *options]
    return build_in(ROOT / name, *command, output=out, wheels=wheels)


def test_the_flask_example(deploy: Any, tmp_path: Path, wheels: Path) -> None:
    deployed = deploy(example("example_flask", tmp_path / "out", wheels))
    assert list(deployed.functions) == ["api/index"]
    assert deployed.static == {".gitkeep"}  # no sources
    assert deployed.route("/hello/ada") == "/api/index"
    with deployed.running("api/index") as port:
        assert "Hello, caf\u00e9!" in ask(port, "/hello/caf%C3%A9").body.decode()
        assert ask(port, "/v2/notes").json() == []


def test_the_django_example(deploy: Any, tmp_path: Path, wheels: Path) -> None:
    deployed = deploy(example("example_django", tmp_path / "out", wheels))
    assert "static/guestbook/style.css" in deployed.static
    assert all(path.startswith("static/") for path in deployed.static)
    assert deployed.route("/static/guestbook/style.css") == "/static/guestbook/style.css"
    assert deployed.route("/") == "/api/index"
    with deployed.running("api/index") as port:
        assert ask(port, "/").status == 200
        assert ask(port, "/admin/login/").status == 200


def test_the_django_example_split(deploy: Any, tmp_path: Path, wheels: Path) -> None:
    deployed = deploy(example("example_django", tmp_path / "out", wheels, "--split"))
    assert deployed.route("/static/guestbook/style.css") == "/static/guestbook/style.css"
    user = "/admin/auth/user/7/password/"
    for function, answers in {
        "api/index": {"/": (200, None), "/admin": (301, "/admin/")},
        "api/admin/login": {"/admin/login/": (200, None)},
        "api/admin/auth/user/[id]/password": {user: (302, f"/admin/login/?next={user}")},
    }.items():
        with deployed.running(function) as port:
            for path, expected in answers.items():
                assert deployed.route(path) == f"/{function}"
                answer = ask(port, path)
                assert (answer.status, dict(answer.headers).get("location")) == expected


PROJECT = """
[project]
name = "mixed"
version = "1"
dependencies = ["unigate", "flask", "fastapi"]
"""
SPLIT = f"""{PROJECT}
[tool.unigate]
timeout = 10

[tool.unigate.functions."/users/{{name}}"]
timeout = 60

[tool.unigate.functions."/v2/notes/{{number}}"]
memory = 512
exclude = ["pages/**"]
"""


def test_a_split_project(deploy: Any, build: Build) -> None:
    files = {"pyproject.toml": SPLIT, "pages/big.html": "<h1>"}
    deployed = deploy(build("main:app", "--target", "vercel", "--split", files=files))
    functions = deployed.functions
    assert set(functions) == {
        "api/index", "api/files/[...name]", "api/users/[name]", "api/users/create",
        "api/v2/notes/[number]", "api/static/[...filename]", "api/where",
    }  # fmt: skip
    assert functions["api/users/[name]"]["maxDuration"] == 60
    assert functions["api/users/create"]["maxDuration"] == 10
    assert functions["api/v2/notes/[number]"]["memory"] == 512
    assert "pages/big.html" in functions["api/index"]["filePathMap"]
    assert "pages/big.html" not in functions["api/v2/notes/[number]"]["filePathMap"]
    assert deployed.static == {".gitkeep"}
    for path, function, text in [
        ("/users/create", "api/users/create", "the form"),
        ("/users/ada", "api/users/[name]", "user ada, query "),
        ("/files/a/b", "api/files/[...name]", "file a/b"),
        ("/v2/notes/7", "api/v2/notes/[number]", '{"note":7}'),
        ("/", "api/index", "home"),
    ]:
        assert deployed.route(path) == f"/{function}"
        with deployed.running(function) as port:
            assert ask(port, path).body.decode() == text


def test_a_frameworks_preset(deploy: Any, build: Build) -> None:
    settings = (
        f'{PROJECT}[tool.unigate]\ntimeout = 20\n[tool.unigate.vercel]\nframework = "python"\n'
    )
    # Without an entry point in pyproject.toml, the preset would find `app` in main.py.
    deployed = deploy(build("main:site", "--target", "vercel", files={"pyproject.toml": settings}))
    assert list(deployed.functions) == ["python"]
    assert deployed.functions["python"]["maxDuration"] == 20
    assert deployed.static == set()
    assert deployed.route("/users/ada") == "/python"
    made = deployed.output / "functions/python.func/vc__handler__python.py"
    assert '"__VC_HANDLER_MODULE_NAME": "api.index"' in made.read_text()
    with deployed.running("python") as port:
        assert ask(port, "/users/ada").body.decode() == "user ada, query "
        assert ask(port, "/v2/notes/7").status == 404  # which main:app would answer
