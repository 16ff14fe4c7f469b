"""A container without Docker: what its Dockerfile says is done with a virtual environment.

The packages are installed, the files copied, and the command of the image is run as process 1.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

from tests.servers.processes import STOP_SECONDS, free_port
from tests.waiting import until

from .conftest import UV, Build, run

SITE = """
import time

import flask

site = flask.Flask(__name__)


@site.get("/")
def home():
    return flask.request.scheme


@site.get("/slow")
def slow():
    print("slow has begun", flush=True)
    time.sleep(2)
    return "slow"
"""
API = """
import asyncio

import fastapi

api = fastapi.FastAPI()


@api.get("/")
def home(request: fastapi.Request):
    return request.url.scheme


@api.get("/slow")
async def slow():
    print("slow has begun", flush=True)
    await asyncio.sleep(2)
    return "slow"
"""
SETTINGS = '[tool.unigate.container]\nhealth = "/"\n'
# As in a container, the server is process 1: for it alone, SIGTERM means nothing by default.
AS_PROCESS_1 = ("unshare", "--map-root-user", "--fork", "--pid", "--kill-child")


class Image:
    """The folder that an image would have, and what it runs there.

    Attributes:
        folder: Its working directory.
        python: The folder of the programs that were installed.
    """

    def __init__(self, context: Path, place: Path, wheels: Path) -> None:
        self.folder, self._programs = place / "app", place / "venv" / "bin"
        self.environment: dict[str, str] = {}
        self.command: list[str] = []
        self.health: list[str] = []
        self._context, self._wheels = context, wheels
        self.folder.mkdir(parents=True)
        run([str(UV), "venv", "--quiet", "--python", sys.executable, str(place / "venv")], place)
        for row in DockerfileParser(str(context / "Dockerfile")).structure:
            getattr(self, f"_{row['instruction'].lower()}")(row["value"])

    def _comment(self, text: str) -> None: ...
    def _from(self, image: str) -> None: ...
    def _expose(self, port: str) -> None: ...
    def _user(self, name: str) -> None: ...
    def _workdir(self, folder: str) -> None: ...

    def _env(self, text: str) -> None:
        name, _, value = shlex.split(text)[0].partition("=")
        self.environment[name] = value

    def _copy(self, text: str) -> None:
        source, target = shlex.split(text)
        patterns = (self._context / ".dockerignore").read_text("utf-8").splitlines()
        for path in exclude_paths(str(self._context), patterns):
            file = self._context / path
            if file.is_file() and source in (".", path):
                copy = self.folder / (path if target == "." else target)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)

    def _run(self, text: str) -> None:
        words = shlex.split(text)
        if words[:2] == ["pip", "install"]:
            install = [str(UV), "pip", "install", "--quiet", "--python", self.program("python")]
            arguments = [word for word in words[2:] if word != "--no-cache-dir"]
            run([*install, *arguments], self.folder, UV_FIND_LINKS=str(self._wheels))
        elif words[0] == "find":
            find, compile_all = text.removesuffix(" || true").split(" && ")
            run(shlex.split(find), self.folder)
            run([self.program("python"), *shlex.split(compile_all)[1:]], self.folder)
        else:
            assert words[0] == "useradd", text

    def _healthcheck(self, text: str) -> None:
        self.health = json.loads(text.partition(" CMD ")[2])

    def _cmd(self, text: str) -> None:
        self.command = json.loads(text)

    def program(self, name: str) -> str:
        return str(self._programs / name)

    def variables(self, port: int) -> dict[str, str]:
        path = f"{self._programs}{os.pathsep}{os.environ['PATH']}"
        return {**self.environment, "PATH": path, "PORT": str(port)}


@pytest.fixture(params=["main:site", "main:api"], ids=["wsgi", "asgi"])
def image(request: pytest.FixtureRequest, build: Build, tmp_path: Path, wheels: Path) -> Image:
    files = {
        "main.py": SITE if request.param == "main:site" else API,
        "pyproject.toml": SETTINGS,
        ".env": "SECRET=1",
    }
    out = build(request.param, "--target", "container", files=files)
    (out / ".env").write_text("SECRET=1")
    return Image(out, tmp_path / "image", wheels)


class Container:
    """A process with the command of an image, which listens."""

    def __init__(self, image: Image, log: Path) -> None:
        self.port = free_port()
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*AS_PROCESS_1, *image.command], cwd=image.folder, stdout=output, stderr=output,
                env=image.variables(self.port),
            )  # fmt: skip
        until(self._listens, self.output)

    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def get(self, path: str, **headers: str) -> str:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().read().decode()

    def stop(self) -> int:
        """Stop process 1 as hosts do, and return its exit code."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.output()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    made = Container(image, tmp_path / "log")
    yield made
    made.kill()


def health_of(image: Image, port: int) -> int:
    command = [image.program(image.health[0]), *image.health[1:]]
    environment = image.variables(port)
    done = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    return done.returncode


def test_the_image_answers_and_is_healthy(image: Image, container: Container) -> None:
    assert container.get("/").strip('"') == "http"
    assert health_of(image, container.port) == 0
    assert health_of(image, free_port()) == 1
    # The proxy of this machine is believed, as a platform's is.
    assert container.get("/", **{"x-forwarded-proto": "https"}).strip('"') == "https"
    assert (image.folder / "main.py").exists()
    assert not (image.folder / ".env").exists()
    assert list((image.folder / "__pycache__").glob("main.*.pyc"))


def test_a_request_is_answered_before_the_container_stops(container: Container) -> None:
    # A load balancer keeps a connection open, on which it asks nothing.
    idle = http.client.HTTPConnection("127.0.0.1", container.port, timeout=30)
    idle.request("GET", "/")
    idle.getresponse().read()
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(container.get("/slow")))
    asking.start()
    until(lambda: "slow has begun" in container.output(), container.output)
    assert container.stop() == 0, container.output()
    asking.join(STOP_SECONDS)
    assert [answer.strip('"') for answer in answers] == ["slow"]
    idle.close()
