"""The first ten minutes, typed as printed: from an empty folder, with the wheel of this tree.

The port of `unigate dev` is another one, because 8000 may be in use.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest

from .pages import DOCS, ROOT, Block, blocks

SECONDS = 300
START = "cd shop 2>/dev/null; [ ! -e .venv/bin/activate ] || . .venv/bin/activate; "
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.sqlite3")
# A new Django project is not fit for a deployment, and `unigate check` says so.
FINDINGS = {"django": ["unigate check main:app"]}
PACKAGES = {"django": "django/__init__.py", "fastapi": "fastapi/applications.py"}
BUILT = {"build/aws/template.yaml", "build/vercel/api/index.py", "build/vercel/vercel.json"}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this tree."""
    tree, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in ("unigate", "contrib"):
        shutil.copytree(ROOT / name, tree / name, ignore=NOT_SOURCE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> dict[str, str]:
    """Return the variables of a new user's terminal, whose `python` is the one of the tests."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(Path(sys.base_prefix) / "bin/python3")
    kept = ("HOME", "LANG", "TMPDIR")
    found = {k: v for k, v in os.environ.items() if k in kept or k.startswith(("PIP_", "UV_"))}
    found["PIP_FIND_LINKS"] = f"{wheels} {found.get('PIP_FIND_LINKS', '')}"
    found["UV_FIND_LINKS"] = ",".join(filter(None, [str(wheels), found.get("UV_FIND_LINKS")]))
    return {
        **found,
        "PATH": f"{programs}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.parametrize("framework", ["flask", "django", "fastapi"])
def test_everything_works_as_printed(
    framework: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    port = free_port()
    with ExitStack() as servers:
        for block in blocks(DOCS / "start" / f"{framework}.md"):
            if block.language != "console":
                write(block, tmp_path / "shop")
                continue
            for command, printed in commands(block):
                if command.startswith("unigate dev "):
                    line = servers.enter_context(serving(command, port, tmp_path, environment))
                    assert line == printed[0].replace("8000", str(port))
                    continue
                code, output = shell(command.replace("8000", str(port)), tmp_path, environment)
                assert (code == 0) == (command not in FINDINGS.get(framework, [])), output
                for text in printed:
                    assert text in output
    package = PACKAGES.get(framework, f"{framework}/app.py")
    names = ZipFile(tmp_path / "shop/build/aws/function.zip").namelist()
    assert {"main.py", package} <= set(names)
    assert [path for path in BUILT if not (tmp_path / "shop" / path).is_file()] == []


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that are printed below it."""
    for part in block.text.removeprefix("$ ").split("\n$ "):
        command, *printed = part.splitlines()
        yield command, printed


def write(block: Block, folder: Path) -> None:
    """Write a file of the page; settings of Django are added to those that are there."""
    file = folder / block.file
    before = file.read_text("utf-8") if block.file.endswith("settings.py") else ""
    file.write_text(before + block.text, "utf-8")


def shell(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", START + command], cwd=folder, env=environment, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@contextmanager
def serving(command: str, port: int, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run `unigate dev` meanwhile, and return the first line that it prints."""
    with subprocess.Popen(
        ["bash", "-c", f"{START}exec {command} --port {port}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().rstrip("\n")
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
