"""The names of generated entry points, beside modules of the project that have these names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import GATEWAY, project, tree, write
from unigate.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, {"requirements.txt": ""}) as made:
        yield made


def zipped(folder: Path) -> dict[str, str]:
    with zipfile.ZipFile(folder / "build/aws/function.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".py")]
        return {name: archive.read(name).decode() for name in names}


def build(target: str, *options: str) -> int:
    return main(["build", target, *options])


def test_a_gateway_in_a_module_lambda_function_is_the_handler_itself(folder: Path) -> None:
    write(folder, {"lambda_function.py": GATEWAY})
    assert build("lambda_function:app", "--target", "aws") == 0
    assert 'Handler: "lambda_function.app"' in (folder / "build/aws/template.yaml").read_text()
    assert zipped(folder)["lambda_function.py"] == GATEWAY


@pytest.mark.parametrize(
    ("own", "target"),
    [
        ("lambda_function.py", "lambda_function:site"),
        ("lambda_function.py", "main:site"),
        ("lambda_function/__init__.py", "main:site"),
        ("src/lambda_function.py", "lambda_function:app"),
    ],
)
def test_a_module_lambda_function_is_never_replaced(folder: Path, own: str, target: str) -> None:
    write(folder, {own: GATEWAY})
    assert build(target, "--target", "aws") == 0
    template = (folder / "build/aws/template.yaml").read_text()
    assert "unigate_function.handler" in template
    assert zipped(folder)[own] == GATEWAY
    assert "handler" in zipped(folder)["unigate_function.py"]


def test_there_is_an_error_if_no_name_is_free(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"lambda_function.py": "", "unigate_function.py": ""})
    assert build("main:site", "--target", "aws") == 2
    assert "the project has modules of both names: rename one." in capsys.readouterr().err


def test_an_image_that_is_built_in_the_project_keeps_its_entry_point(folder: Path) -> None:
    for _ in range(2):
        options = ["--target", "aws", "--format", "image", "--output", ".", "--force"]
        assert build("main:site", *options) == 0
        assert "lambda_function.py" in tree(folder)
        assert "unigate_function.py" not in tree(folder)


def test_a_program_of_the_project_is_not_replaced_by_the_runtimes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = '[tool.unigate.aws]\nruntime = "unigate"\n'
    write(folder, {"unigate-runtime": "#!/bin/sh\n", "pyproject.toml": settings})
    assert build("main:app", "--target", "aws") == 2
    assert "a program unigate-runtime, and the project has one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "target"),
    [
        ("main/web.py", "main.web:app"),
        ("main/__init__.py", "shop:app"),
        ("src/main/web.py", "main.web:app"),
    ],
)
def test_google_gets_another_file_beside_a_package_main(
    folder: Path, own: str, target: str
) -> None:
    (folder / "main.py").unlink()
    write(folder, {own: GATEWAY, "shop.py": GATEWAY})
    assert build(target, "--target", "google", "--output", "out") == 0
    assert {"google_function.py", own} <= set(tree(folder / "out"))


@pytest.mark.parametrize("platform", ["azure", "container"])
@pytest.mark.parametrize("layout", ["", "src/"])
def test_a_package_that_hides_the_entry_point_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], platform: str, layout: str
) -> None:
    name = {"azure": "function_app", "container": "container_app"}[platform]
    write(folder, {f"{layout}{name}/web.py": GATEWAY})
    assert build(f"{name}.web:site", "--target", platform, "--output", "out") == 2
    assert f"The entry point must be {name}.py" in capsys.readouterr().err.replace(
        "Azure's entry", "The entry"
    )


def test_an_entry_point_of_the_users_gets_other_ways_than_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"api/index.py": GATEWAY})
    for output in (".", "out"):
        assert build("main:app", "--target", "vercel", "--output", output) == 2
        assert "rename it if the application needs it, or build" in capsys.readouterr().err
