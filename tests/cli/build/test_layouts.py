"""Where the modules of a project are, and how each entry point makes them importable."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib import metadata
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
        ({"setuptools": {"package-dir": {"shop": "lib/shop"}}}, ["lib/shop/a.py"], ("lib",)),
        ({"setuptools": {"package-dir": {"shop": "lib/other"}}}, ["lib/other/a.py"], ()),
        (
            {"hatch": {"build": {"targets": {"wheel": {"sources": {"lib": ""}}}}}},
            ["lib/shop.py"],
            ("lib",),
        ),
        (
            {"hatch": {"build": {"targets": {"wheel": {"sources": {"lib/a": "shop"}}}}}},
            ["lib/a/web.py"],
            (),
        ),
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
    write(
        folder,
        {
            "services/api/storefront.py": GATEWAY,
            ".venv/storefront.py": "",
            "node_modules/storefront.py": "",
        },
    )
    assert main(["routes", "storefront:app"]) == 2
    assert capsys.readouterr().err.endswith(
        " The module is below 'services/api': write paths = [\"services/api\"] to [tool.unigate] "
        "of pyproject.toml, or run the command in that project's folder.\n"
    )
    write(folder, {"pyproject.toml": '[tool.unigate]\npaths = ["services/api"]\n'})
    assert main(["routes", "storefront:app"]) == 0


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


@pytest.mark.parametrize("table", [("project",), ("tool", "poetry")])
def test_a_project_with_a_static_version_has_its_metadata(
    folder: Path, monkeypatch: pytest.MonkeyPatch, table: tuple[str, ...]
) -> None:
    text = f'[{".".join(table)}]\nname = "my-own.shop"\nversion = "1.5"\n'
    write(folder, {"pyproject.toml": text, "requirements.txt": "-e .\n"})
    if table == ("tool", "poetry"):
        write(folder, {"requirements.txt": ""})
    else:
        write(folder, {"pyproject.toml": f"{text}dependencies = []\n"})
    assert main(["build", "main:app", "--target", "google", "--output", "out"]) == 0
    (found,) = metadata.distributions(name="my-own.shop", path=[str(folder / "out")])
    assert (found.metadata["Name"], found.version) == ("my-own.shop", "1.5")


def test_a_module_of_a_local_package_gets_what_to_install(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {
        "../common/pyproject.toml": "", "../common/src/acme_common/__init__.py": "",
        "requirements.txt": "-e ../common\n", "main.py": f"import acme_common\n{GATEWAY}",
    })  # fmt: skip
    assert main(["routes", "main:app"]) == 2
    assert (
        "it imports 'acme_common', which is not installed and not in the project. 'acme_common' is "
        "in ../common, which the project requires: install the project's packages in the "
        "environment of the build, for example with `pip install -r requirements.txt`."
    ) in capsys.readouterr().err


RENAMING = {
    "setuptools": '[tool.setuptools.package-dir]\n"shop" = "python/kit"\n',
    "hatch": '[tool.hatch.build.targets.wheel.sources]\n"python/kit" = "shop"\n',
}


@pytest.mark.parametrize("backend", RENAMING)
def test_a_package_that_only_an_installation_names_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    write(folder, {"pyproject.toml": RENAMING[backend], "python/kit/web.py": GATEWAY})
    write(folder, {"../installed/shop/web.py": GATEWAY})
    monkeypatch.syspath_prepend(folder.parent / "installed")
    assert main(["build", "shop.web:app", "--target", "google", "--output", "out"]) == 2
    assert "shop.web is in python/kit, and only an installation gives" in capsys.readouterr().err
