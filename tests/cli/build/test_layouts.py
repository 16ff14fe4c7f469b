"""Where the modules of a project are, and how each entry point makes them importable."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.projects import GATEWAY, project, write
from unigate.cli.main import main
from unigate.cli.project.layout import import_folders, own_metadata
from unigate.cli.project.pyproject import Pyproject, read_pyproject

MODULE = f"import shop_tools\n{GATEWAY}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("table", "files", "folders"),
    [
        ({}, ["flat.py"], ()),
        ({}, ["src/shop/__init__.py"], ("src",)),
        ({}, ["src/acme/shop/web.py"], ("src",)),
        ({}, ["src/__init__.py", "src/web.py"], ()),
        ({}, ["src/index.js"], ()),
        ({}, ["backend/manage.py", "backend/site/settings.py"], ("backend",)),
        ({"setuptools": {"package-dir": {"": "lib"}}}, ["lib/shop.py"], ("lib",)),
        ({"setuptools": {"packages": {"find": {"where": ["lib"]}}}}, ["lib/shop.py"], ("lib",)),
        ({"setuptools": {"packages": ["shop"]}}, ["lib/shop.py"], ()),
        (
            {"hatch": {"build": {"targets": {"wheel": {"packages": ["python/shop", "x"]}}}}},
            ["python/shop/__init__.py", "x/__init__.py"],
            ("python",),
        ),
        (
            {"hatch": {"build": {"targets": {"wheel": {"sources": ["python"]}}}}},
            ["python/shop/__init__.py"],
            ("python",),
        ),
        ({"poetry": {"packages": [{"include": "shop", "from": "lib"}]}}, ["lib/shop.py"], ("lib",)),
        ({"pdm": {"build": {"package-dir": "lib"}}}, ["lib/shop.py"], ("lib",)),
        ({"uv": {"build-backend": {"module-root": "lib"}}}, ["lib/shop.py"], ("lib",)),
        ({"uv": {"build-backend": {"module-root": ""}}}, ["shop.py"], ()),
        ({"uv": {"build-backend": {"module-root": "../lib"}}}, ["../lib/shop.py"], ()),
        ({"unigate": {"paths": ["lib/", "src"]}}, ["lib/a.txt", "src/b.txt"], ("lib", "src")),
        ({"unigate": {"paths": []}}, ["src/shop.py"], ()),
        ({"hatch": 1, "setuptools": [], "poetry": "x", "pdm": {"build": 2}, "uv": {}}, [], ()),
    ],
)
def test_the_folders_of_modules_are_found(
    folder: Path, table: dict[str, object], files: list[str], folders: tuple[str, ...]
) -> None:
    write(folder, dict.fromkeys(files, ""))
    assert import_folders(folder, Pyproject({"tool": table})) == folders


@pytest.mark.parametrize("path", ["nowhere", "..", "/tmp", "main.py"])
def test_paths_must_be_folders_of_the_project(folder: Path, path: str) -> None:
    pyproject = Pyproject({"tool": {"unigate": {"paths": [path]}}})
    with pytest.raises(click.ClickException, match="must name folders below the project"):
        import_folders(folder, pyproject)


SRC = {"src/shop/web.py": MODULE, "src/shop/__init__.py": "", "src/shop_tools.py": ""}


def test_lambda_gets_an_entry_point_for_a_src_layout(folder: Path) -> None:
    write(folder, {**SRC, "requirements.txt": ""})
    assert main(["build", "shop.web:app", "--target", "aws"]) == 0
    assert 'Handler: "lambda_function.handler"' in (folder / "build/aws/template.yaml").read_text()
    with zipfile.ZipFile(folder / "build/aws/function.zip") as archive:
        text = archive.read("lambda_function.py").decode()
    assert 'parents[0] / at) for at in ("src",)]' in text
    assert text.endswith("\n\nfrom shop.web import app as handler\n")


def test_a_module_elsewhere_gets_what_to_write(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"services/api/web.py": GATEWAY, ".venv/web.py": "", "node_modules/web.py": ""})
    assert main(["routes", "web:app"]) == 2
    assert capsys.readouterr().err.endswith(
        " The module is below 'services/api': write paths = [\"services/api\"] to [tool.unigate] "
        "of pyproject.toml, or run the command in that project's folder.\n"
    )
    write(folder, {"pyproject.toml": '[tool.unigate]\npaths = ["services/api"]\n'})
    assert main(["routes", "web:app"]) == 0


def test_a_nested_django_project_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"site1/manage.py": "", "site1/site1/__init__.py": "", "site1/site1/web.py": GATEWAY}
    write(folder, files)
    assert main(["routes", "site1.web:app"]) == 0
    assert "/users/{name}" in capsys.readouterr().out


def test_an_installed_project_keeps_its_metadata(folder: Path) -> None:
    write(folder, {"pyproject.toml": '[project]\nname = "Flask"\n'})
    files = own_metadata(read_pyproject(folder))
    [metadata] = [text for path, text in files.items() if path.endswith("METADATA")]
    assert b"Name: Flask" in metadata
    assert {path.partition("-")[0] for path in files} == {"flask"}
    assert own_metadata(Pyproject({"project": {"name": "nowhere-to-be-found"}})) == {}
    assert own_metadata(Pyproject({})) == {}
