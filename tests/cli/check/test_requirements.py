"""`unigate check`: requirements, sizes and the version of Python."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import unigate
from tests.cli.projects import project, write
from unigate.cli.check.findings import Finding
from unigate.cli.check.platform_limits import LAMBDA, VERCEL, limits_of
from unigate.cli.check.python_version import check_python_version
from unigate.cli.check.requirements import (
    check_requirements,
    parse_requirements,
    read_requirements,
)
from unigate.cli.check.sizes import check_sizes, installed_sizes, sizes_of
from unigate.cli.main import main
from unigate.cli.project.core import Project
from unigate.cli.project.pyproject import read_pyproject
from unigate.cli.project.record import RECORD
from unigate.cli.project.target import Target
from unigate.cli.vercel.project import VercelProject, read_vercel_json

from .checking import CHECK, GOOD, PYPROJECT

BARE = '[tool.unigate]\napp = "main:app"\npython = "3.12"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


def found_in(folder: Path, files: dict[str, str] | None = None) -> list[Finding]:
    """Return the findings on requirements, Python and sizes, without importing the application."""
    write(folder, files or {})
    target = Target("main:app", unigate.wrap("main:app"), True)
    made = Project(folder, read_pyproject(folder), target, folder)
    requirements, vercel_json = read_requirements(made), read_vercel_json(folder)
    vercel = None if vercel_json is None else VercelProject(folder, vercel_json, {})
    platforms = limits_of(made, requirements, vercel)
    return [
        *check_requirements(made, requirements, vercel is not None),
        *check_python_version(made, platforms),
        *check_sizes(sizes_of(made, requirements), platforms),
    ]


def check(folder: Path, files: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(finding.kind, finding.place) for finding in found_in(folder, files)]


def test_no_project_table(folder: Path) -> None:
    assert check(folder, {"pyproject.toml": BARE}) == [("project", "pyproject.toml")]
    (folder / "vercel.json").unlink()  # others read requirements.txt
    assert check(folder) == []
    (folder / "requirements.txt").unlink()
    assert check(folder) == [("requirements", "pyproject.toml")]


@pytest.mark.parametrize("on_vercel", [False, True])
def test_an_empty_list_of_dependencies_is_a_declaration(folder: Path, on_vercel: bool) -> None:
    (folder / "requirements.txt").unlink()
    if not on_vercel:
        (folder / "vercel.json").unlink()
    empty = "[project]\ndependencies = []\nrequires-python = '>=3.12'\n"
    messages = [finding.message for finding in found_in(folder, {"pyproject.toml": empty})]
    assert "unigate is missing from the dependencies: add it." in messages
    assert not any("declared" in message or "List" in message for message in messages)


def test_dynamic_dependencies_are_not_checked(folder: Path) -> None:
    dynamic = PYPROJECT.replace("dependencies = [", 'dynamic = ["dependencies"]\nx = [')
    assert check(folder, {"pyproject.toml": dynamic}) == []


def test_unigate_must_be_among_the_requirements(folder: Path) -> None:
    (folder / "vercel.json").unlink()
    missing = [("requirements", "requirements.txt")]
    for line, found in (
        ("flask", missing),
        ("unigate-else", missing),
        ("Unigate[cli]>=1", []),
        ("./wheels/unigate-1-py3-none-any.whl", []),
        ("-e git+https://example.org/unigate.git", []),
        ("--requirement=other.txt", []),
        ("-r requirements.txt", [("requirements", "pyproject.toml")]),  # itself, and no more
    ):
        files = {"pyproject.toml": BARE, "requirements.txt": line, "other.txt": "unigate\n"}
        assert check(folder, files) == found, line


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_requirements_as_windows_writes_them(folder: Path, encoding: str) -> None:
    (folder / "vercel.json").unlink()
    write(folder, {"pyproject.toml": BARE})
    (folder / "requirements.txt").write_bytes("unigate\r\npytest\r\n".encode(encoding))
    assert check(folder) == [("development", "requirements.txt")]


def test_requirements_that_name_the_project_itself(folder: Path) -> None:
    # requirements.txt names the project, whose dependencies are in extras of pyproject.toml.
    (folder / "vercel.json").unlink()
    pyproject = PYPROJECT.replace('["unigate", "flask"]', "[]").replace(
        "[tool.unigate]",
        '[project.optional-dependencies]\nall = ["shop[web]"]\nweb = ["unigate", "pytest"]\n'
        'dev = ["ruff"]\n\n[tool.unigate]',
    )
    files = {"pyproject.toml": pyproject, "requirements.txt": "-e .[all]\n"}
    assert check(folder, files) == [("development", "pyproject.toml")]


@pytest.mark.parametrize("file", ["pyproject.toml", "requirements.txt"])
def test_development_tools_are_found(folder: Path, file: str) -> None:
    files = {
        "pyproject.toml": PYPROJECT.replace('"flask"', '"flask", "pytest>=8", "Pytest_Cov[x]"'),
        "requirements.txt": "# black\n-c other.txt\nunigate\npytest >= 8\npytest.cov==1 # x\n"
        "    --hash=sha256:black\n",
    }
    if file == "requirements.txt":
        (folder / "vercel.json").unlink()
        files["pyproject.toml"] = BARE
    assert check(folder, files) == [("development", file), ("development", file)]


def test_development_tools_in_an_included_file(folder: Path) -> None:
    (folder / "vercel.json").unlink()
    files = {
        "pyproject.toml": BARE,
        "requirements.txt": "-r requirements/dev.txt\n",
        "requirements/dev.txt": "-r base.txt\ntypes-requests\n",
        "requirements/base.txt": "unigate\n-r ../requirements.txt\n",
    }
    assert check(folder, files) == [("development", "requirements/dev.txt")]


def test_development_tools_in_extras_and_groups(folder: Path) -> None:
    extras = '\n[project.optional-dependencies]\ndev = ["pytest"]\n[dependency-groups]\nt = ["tox"]'
    assert check(folder, {"pyproject.toml": PYPROJECT + extras}) == []
    named = PYPROJECT.replace('"flask"', '"flask", "shop[dev]"')
    found = [("development", "pyproject.toml")]
    assert check(folder, {"pyproject.toml": named + extras}) == found


def test_a_missing_python_version(folder: Path) -> None:
    pyproject = PYPROJECT.replace("requires-python", "description")
    found = [("python", ".python-version")]
    assert check(folder, {"pyproject.toml": pyproject}) == found
    assert check(folder, {".python-version": "3.12\n"}) == []


@pytest.mark.parametrize(
    ("pin", "vercel", "aws"),
    [
        ("3.11", False, True),
        ("3.12.4\n", True, True),
        ("cpython-3.13", True, True),
        ("3.14", True, True),
        ("3.9", False, False),
        ("3.99", False, False),
        ("pypy3.10", False, False),
    ],
)
def test_a_python_that_a_platform_does_not_support(
    folder: Path, pin: str, vercel: bool, aws: bool
) -> None:
    found = [("python", ".python-version")]
    assert check(folder, {".python-version": pin}) == ([] if vercel else found)
    (folder / "vercel.json").unlink()
    assert check(folder) == ([] if aws else found)
    write(folder, {"vercel.json": GOOD["vercel.json"], "template.yaml": ""})  # on both
    assert check(folder) == found * (2 - vercel - aws)


@pytest.mark.parametrize("platform", ["azure", "container", "google"])
def test_what_was_built_for_another_platform_has_no_limits_of_lambda(
    folder: Path, platform: str
) -> None:
    (folder / "vercel.json").unlink()
    assert check(folder, {".python-version": "3.9"}) == [("python", ".python-version")]
    record = json.dumps({platform: {}})
    assert check(folder, {".unigate-build.json": record}) == []


def test_a_python_of_the_settings(folder: Path) -> None:
    files = {"pyproject.toml": PYPROJECT + 'python = "3.11"\n'}
    assert "Vercel supports Python 3.12, " in found_in(folder, files)[0].message
    files = {"pyproject.toml": PYPROJECT.replace(">=3.11", ">=3.9,<3.12")}
    assert "requires-python is '>=3.9,<3.12'" in found_in(folder, files)[0].message


def test_sizes_include_indirect_requirements() -> None:
    sizes = dict(installed_sizes(parse_requirements(["flask", "not-installed-here"], "")))
    assert {"flask", "werkzeug", "jinja2", "markupsafe"} <= set(sizes)
    assert "asgiref" not in sizes  # of the extra "async"
    assert "asgiref" in dict(installed_sizes(parse_requirements(["flask[async]"], "")))
    assert sizes["werkzeug"] > 200_000


def test_sizes_are_printed_without_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CHECK]) == 0
    *packages, others, total, start = capsys.readouterr().err.splitlines()
    assert len(packages) == 5
    assert any(line.endswith(" MB  werkzeug") for line in packages)
    assert others.endswith(" others")
    assert total.endswith(" MB  unpacked, the limit on Vercel is 500.0 MB")
    assert re.fullmatch(
        r"A cold start imports the application in \d+\.\d\d s, and without bytecode in "
        r"\d+\.\d\d s \(measured here\)\.",
        start,
    )
    assert main([*CHECK, "--json"]) == 0
    sizes = json.loads(capsys.readouterr().out)["sizes"]
    assert {"(the project)", "flask", "werkzeug"} <= set(sizes)
    assert sizes["(the project)"] > 100
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    assert sum(sizes.values()) > 1_000_000


def grow(file: Path, megabytes: int) -> None:
    """Make a sparse file of that size."""
    with open(file, "wb") as opened:
        os.truncate(opened.fileno(), megabytes * 2**20)


@pytest.mark.parametrize(
    ("vercel", "files", "megabytes", "limits"),
    [
        ("", {}, 240, []),
        ("", {}, 260, ["250.0 MB on Lambda"]),
        ("", {"requirements.txt": "unigate\nfunctions-framework\n"}, 260, []),
        ("", {RECORD: '{"azure": {}}'}, 260, []),
        ('{"framework": null}', {}, 210, []),
        ('{"framework": null}', {}, 230, ["225.0 MB on Vercel"]),  # the project itself
        ('{"installCommand": "make"}', {}, 222, []),
        ('{"installCommand": "make"}', {}, 224, ["225.0 MB on Vercel"]),
        (
            '{"framework": null}',
            {"serverless.yml": ""},
            249,
            ["225.0 MB on Vercel", "250.0 MB on Lambda"],
        ),
    ],
)
def test_more_than_the_limit_of_a_platform(
    folder: Path,
    vercel: str,
    files: dict[str, str],
    megabytes: int,
    limits: list[str],
) -> None:
    write(folder, {"vercel.json": vercel, **files})
    if not vercel:
        (folder / "vercel.json").unlink()
        write(folder, {"pyproject.toml": BARE})
    grow(folder / "model.bin", megabytes)
    sizes = [found.message for found in found_in(folder) if found.kind == "size"]
    for limit, size in zip(limits, sizes, strict=True):
        assert f"{limit}: (the project) 2" in size


def test_packages_that_vercel_installs_at_start_count() -> None:
    for platform, megabytes, wrong in (
        (VERCEL, 490, False),
        (VERCEL, 510, True),
        (LAMBDA, 240, False),
        (LAMBDA, 260, True),
    ):
        sizes = {"torch": megabytes * 2**20, "(the project)": 1}
        assert bool(list(check_sizes(sizes, [platform]))) is wrong


def test_a_requires_python_that_is_no_specifier_is_found(folder: Path) -> None:
    pyproject = PYPROJECT.replace('requires-python = ">=3.11"', 'requires-python = "3.13"')
    found = found_in(folder, {"pyproject.toml": pyproject})
    assert [each.message.partition(",")[0] for each in found] == [
        "requires-python must be a version specifier (PEP 440)"
    ]
