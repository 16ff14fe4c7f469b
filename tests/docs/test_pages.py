"""Every block of the documentation works as printed.

The blocks of a page are files in an empty folder, in which tests/docs/expected/<page>.py runs; it
imports them and says what they do. Blocks that it does not import are imported here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from unigate.cli.group import commands as unigate_commands

from .pages import DOCS, ROOT, blocks, commands, slug, write_files

EXPECTED = Path(__file__).with_name("expected")
# The tests of these pages are elsewhere.
ELSEWHERE = {
    "benchmarks.md": "tests/benchmarks",
    "cache-at-scale.md": "tests/cache/test_scale_page.py",
    "reference/settings.md": "tests/cli/project/test_schema.py",
    "guides/django.md": "tests/test_guides.py",
    "guides/flask.md": "tests/test_guides.py",
    "start/django.md": "tests/docs/test_start.py",
    "start/fastapi.md": "tests/docs/test_start.py",
    "start/flask.md": "tests/docs/test_start.py",
    "wrappers.md": "tests/lambda_runtime/test_wrappers.py",
}
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if str(page.relative_to(DOCS)) not in ELSEWHERE and blocks(page)
]
# Programs that are not run here: servers, and tools that need an account or a registry.
NOT_RUN = {
    *("aws", "cd", "cp", "curl", "docker", "flask", "func", "gcloud", "gunicorn", "make", "mkdir"),
    *("pip", "python", "sam", "uvicorn", "vercel", "granian", "mv", "export"),
}
READERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
SECONDS = 120


def names(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_blocks_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    written = write_files(page, tmp_path)
    expected = EXPECTED / f"{slug(page)}.py"
    modules = [file.removesuffix(".py") for file in written if file.startswith("block_")]
    text = expected.read_text("utf-8") if expected.exists() else ""
    left = [module for module in modules if module not in text]
    if expected.exists():
        shutil.copy(expected, tmp_path / "expect.py")
        run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "expect.py")
    elif "main.py" in written:
        left.append("main")
    for module in left:
        run(tmp_path, "-c", f"import {module}")


def run(folder: Path, *arguments: str) -> None:
    """Run Python in a folder; it must succeed."""
    path = os.pathsep.join([str(folder), str(ROOT), str(ROOT / "contrib")])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**kept, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_data_can_be_read_and_commands_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language in READERS:
            READERS[block.language](block.text)
    for command in commands(page):
        program, *arguments = shlex.split(command)
        if program == "unigate":
            parse(arguments)
        else:
            assert program in NOT_RUN or "=" in program, command


def parse(arguments: list[str]) -> None:
    """Parse the arguments of `unigate` without running it."""
    name, *rest = arguments
    with click.Context(unigate_commands) as parent:
        command = unigate_commands.get_command(parent, name)
        assert command is not None, arguments
        files = {"--event": "-", "--functions": "."}
        for option, there in files.items():
            if option in rest:
                rest[rest.index(option) + 1] = there
        command.make_context(name, rest, parent)


def test_pages_that_are_tested_elsewhere_are() -> None:
    for page, test in ELSEWHERE.items():
        assert (DOCS / page).is_file()
        assert (ROOT / test).exists()


def test_expectations_belong_to_pages() -> None:
    pages = {slug(page) for page in PAGES}
    assert {file.stem for file in EXPECTED.glob("*.py")} <= pages
