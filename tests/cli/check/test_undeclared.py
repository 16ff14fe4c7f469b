"""Imports that no requirement brings, and mounts that cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import FLASK, GATEWAY, project, write
from unigate.cli.main import main

from .checking import GOOD, PYPROJECT, check, findings, message


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


def test_an_import_without_a_requirement_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, files={"shop/db.py": "import os\nimport yaml.nodes\n"}) == [
        ("requirements", "shop/db.py:2")
    ]
    text = "def load():\n    from nowhere_to_be_found import x\n"
    found = [each["message"] for each in findings(capsys, files={"shop/db.py": text})]
    assert found == [
        "nowhere_to_be_found is imported, and no requirement brings it: add its package to "
        "pyproject.toml."
    ]


@pytest.mark.parametrize(
    "text", ["import importlib\nx = importlib.import_module('yaml.nodes')", "\n__import__('yaml')"]
)
def test_a_literal_name_that_is_imported_is_found(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert check(capsys, files={"shop/db.py": text}) == [("requirements", "shop/db.py:2")]


@pytest.mark.parametrize(
    "text",
    [
        "import flask, werkzeug, markupsafe",  # what a requirement requires is brought, too
        "import shop.tools, main",
        "import sibling",
        "from . import yaml",
        "try:\n    import yaml\nexcept ImportError:\n    import nowhere",
        "try:\n    import yaml\nexcept (ValueError, ModuleNotFoundError):\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import yaml",
        "import sys\nif sys.version_info < (3, 11):\n    import tomli",
        "import sys\nif sys.version_info >= (3, 11):\n    import tomllib\nelse:\n    import tomli",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import yaml",
        "import importlib\nimportlib.import_module('.yaml', __package__)\n__import__(__name__)",
        "import functions_framework, azure.functions",
        "import flask_unigate",
        "not python",
    ],
)
def test_other_imports_are_not_found(capsys: pytest.CaptureFixture[str], text: str) -> None:
    files = {"shop/db.py": text, "shop/tools.py": "", "shop/sibling.py": ""}
    assert check(capsys, files=files) == []


@pytest.mark.parametrize(
    "path", ["conftest.py", "noxfile.py", "docs/conf.py", "shop/tests/db.py", "test_shop.py"]
)
def test_files_of_tools_are_not_read(capsys: pytest.CaptureFixture[str], path: str) -> None:
    assert check(capsys, files={path: "import yaml\n"}) == []


def test_nothing_is_known_of_a_requirement_that_is_not_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pyproject = PYPROJECT.replace('"flask"', '"flask", "nowhere-to-be-found"')
    assert check(capsys, files={"pyproject.toml": pyproject, "db.py": "import yaml\n"}) == []


def test_lambda_has_boto3(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert check(capsys, files={"db.py": "import boto3\n"}) == [("requirements", "db.py:1")]
    (folder / "vercel.json").unlink()  # then it is for Lambda
    assert check(capsys) == []


MOUNT = GATEWAY.replace("wrap(site)", 'wrap(site, mounts={"/v2": "nowhere:app"})')


def test_a_mount_that_cannot_be_imported_is_a_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = message(capsys, "import", {"main.py": MOUNT})
    assert found.startswith("'nowhere:app' cannot be loaded: No module named 'nowhere'.")
    assert found.endswith(": no request would be answered.")


def test_routes_says_that_a_mount_cannot_be_imported(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    write(folder, {"main.py": MOUNT})
    assert main(["routes", "main:app"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("unigate: 'nowhere:app' cannot be loaded: No module named 'nowhere'.")
    assert err.count("\n") == 1


def test_every_mount_that_cannot_be_imported_is_a_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mounts = '{"/v2": "nowhere:app", "/v3": "fine:app", "/v4": "ends:app", "/v5": "fine:nope"}'
    files = {
        "main.py": GATEWAY.replace("wrap(site)", f"wrap(site, mounts={mounts})"),
        "fine.py": FLASK.replace("site", "app"), "ends.py": "raise SystemExit(1)",
    }  # fmt: skip
    found = findings(capsys, files=files)
    messages = [finding["message"] for finding in found if finding["kind"] == "import"]
    assert [message.split("'")[1] for message in messages] == [
        "nowhere:app",
        "ends:app",
        "fine:nope",
    ]
