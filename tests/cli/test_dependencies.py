"""The requirements of a project, from files for pip, lock files and pyproject.toml."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

from tests.cli.projects import write
from unigate.cli.project.dependencies import Dependencies, LocalPackage, read_dependencies
from unigate.cli.project.interpreters import find_uv
from unigate.cli.project.pyproject import read_pyproject

PYPROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["flask>=3"]
optional-dependencies = { mail = ["mailer"], sms = ["texter"] }
"""
PYLOCK = """
lock-version = "1.0"
packages = [
    { name = "flask", version = "3.1.0", marker = "python_version < '4'" },
    { name = "common", directory = { path = "../common", editable = true } },
    { name = "kit", vcs = { type = "git", url = "https://example.org/kit", commit-id = "abc" } },
    { name = "far", archive = { url = "https://example.org/far.tar.gz" } },
    { name = "near", archive = { path = "near.tar.gz" } },
    { name = "shop", directory = { path = "." } },
]
"""
POETRY = """
[[package]]
name = "flask"
version = "3.1.0"
groups = ["main", "dev"]
markers = "python_version < '4'"

[[package]]
name = "click"
version = "8.1"
groups = ["main", "dev"]
markers = {main = "sys_platform == 'linux'", dev = "python_version > '3'"}

[[package]]
name = "pytest"
version = "8"
groups = ["dev"]

[[package]]
name = "mailer"
version = "1"
optional = true
groups = ["main"]

[[package]]
name = "kit"
version = "1"
groups = ["main"]
source = {type = "git", url = "https://example.org/kit", resolved_reference = "abc"}

[[package]]
name = "common"
version = "1"
groups = ["main"]
source = {type = "directory", url = "../common"}

[[package]]
name = "far"
version = "1"
groups = ["main"]
source = {type = "url", url = "https://example.org/far.whl"}

[metadata]
lock-version = "2.1"
"""
PDM = """
[metadata]
strategy = ["inherit_metadata"]

[[package]]
name = "flask"
version = "3.1.0"
groups = ["default", "dev"]
marker = "python_version < '4'"

[[package]]
name = "flask"
version = "3.1.0"
extras = ["async"]
groups = ["default"]

[[package]]
name = "pytest"
version = "8"
groups = ["dev"]

[[package]]
name = "common"
version = "1"
path = "../common"
editable = true
groups = ["default"]

[[package]]
name = "kit"
version = "1"
git = "https://example.org/kit"
revision = "abc"
groups = ["default"]

[[package]]
name = "far"
version = "1"
url = "https://example.org/far.whl"
groups = ["default"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"common/pyproject.toml": "", "shop/pyproject.toml": PYPROJECT})
    return tmp_path / "shop"


def read(folder: Path, files: dict[str, str] | None = None) -> Dependencies:
    write(folder, files or {})
    return read_dependencies(folder, read_pyproject(folder))


def lines(folder: Path, text: str) -> list[str]:
    return list(read(folder, {"requirements.txt": text}).lines)


def common(folder: Path) -> tuple[LocalPackage, ...]:
    return (LocalPackage((folder / "../common").resolve()),)


def test_a_plain_file_is_left_to_the_installer(folder: Path) -> None:
    text = "flask==3 --hash=sha256:ab\n--index-url https://example.org/simple\n-r more.txt\n"
    write(folder, {"more.txt": "click\n"})
    found = read(folder, {"requirements.txt": text})
    assert found == Dependencies("requirements.txt", ["-r requirements.txt"])
    assert found.arguments == ["-r", "requirements.txt"]


def test_dependencies_of_pyproject_are_read(folder: Path) -> None:
    assert read(folder) == Dependencies("pyproject.toml", ["flask>=3"])


def test_the_setting_comes_before_requirements_txt(folder: Path) -> None:
    files = {"pyproject.toml": '[tool.unigate]\nrequirements = "deploy reqs.txt"\n'}
    found = read(folder, {**files, "deploy reqs.txt": "a\n", "requirements.txt": "b\n"})
    assert found.arguments == ["-r", "deploy reqs.txt"]


@pytest.mark.parametrize(
    "line",
    [
        "-e ../common",
        "--editable ../common",
        "--editable=../common",
        "../common",
        "../common[extra]",
        "common @ file:{parent}/common",
        "file://{parent}/common",
        "{parent}/common # a comment",
    ],
)
def test_a_path_is_a_local_package(folder: Path, line: str) -> None:
    text = f"flask\n{line.format(parent=folder.parent)}\n"
    found = read(folder, {"requirements.txt": text})
    assert (found.lines, found.local) == (["flask"], common(folder))


def test_a_path_keeps_its_marker(folder: Path) -> None:
    [local] = read(folder, {"requirements.txt": "../common ; python_version > '3'\n"}).local
    assert local == LocalPackage((folder / "../common").resolve(), "python_version > '3'")


def test_files_are_included_once_and_constraints_kept(folder: Path) -> None:
    write(folder, {"sub/a.txt": "-r ../sub/a.txt\n-e ../common\nclick \\\n  >= 8\n-c limits.txt\n"})
    write(folder, {"sub/limits.txt": ""})
    text = "-r sub/a.txt\n--pre\nflask==3 \\\n  --hash=sha256:ab\n"
    found = read(folder, {"requirements.txt": text})
    assert found.lines == ["click    >= 8", "-c sub/limits.txt", "--pre", "flask==3"]
    assert found.arguments == ["click    >= 8", "-c", "sub/limits.txt", "--pre", "flask==3"]


def test_the_project_itself_stands_for_its_dependencies(folder: Path) -> None:
    assert lines(folder, "-e .\n") == ["flask>=3"]
    assert lines(folder, "-e .[mail]\nclick\n") == ["flask>=3", "mailer", "click"]
    assert lines(folder, ".[mail, sms]\n") == ["flask>=3", "mailer", "texter"]


def test_a_requirement_with_a_url_is_no_local_package(folder: Path) -> None:
    text = "-e git+https://example.org/kit\n../common\nkit @ https://example.org/kit.whl\n"
    expected = ["git+https://example.org/kit", "kit @ https://example.org/kit.whl"]
    assert lines(folder, text) == expected


@pytest.mark.parametrize(
    ("file", "text", "locked"),
    [
        (
            "pylock.toml",
            PYLOCK,
            [
                "flask==3.1.0 ; python_version < '4'",
                "kit @ git+https://example.org/kit@abc",
                "far @ https://example.org/far.tar.gz",
            ],
        ),
        (
            "poetry.lock",
            POETRY,
            [
                "flask==3.1.0 ; python_version < '4'",
                "click==8.1 ; sys_platform == 'linux'",
                "kit @ git+https://example.org/kit@abc",
                "far @ https://example.org/far.whl",
            ],
        ),
        (
            "pdm.lock",
            PDM,
            [
                "flask==3.1.0 ; python_version < '4'",
                "kit @ git+https://example.org/kit@abc",
                "far @ https://example.org/far.whl",
            ],
        ),
    ],
)
def test_a_lock_file_is_read(folder: Path, file: str, text: str, locked: list[str]) -> None:
    write(folder, {"near.tar.gz": ""})
    found = read(folder, {file: text})
    assert (found.source, found.lines, found.locked) == (file, locked, True)
    near = (LocalPackage(folder.resolve() / "near.tar.gz"),) if file == "pylock.toml" else ()
    assert found.local == common(folder) + near


def test_a_written_requirements_txt_does_not_hide_the_lock(folder: Path) -> None:
    text = "# Written by `unigate build` from poetry.lock.\nflask==1\n"
    assert read(folder, {"poetry.lock": POETRY, "requirements.txt": text}).source == "poetry.lock"
    assert read(folder, {"requirements.txt": "flask==1\n"}).source == "requirements.txt"


def test_uv_reads_its_lock_for_a_member_of_a_workspace(tmp_path: Path) -> None:
    table = '[project]\nname = "{}"\nversion = "1"\nrequires-python = ">=3.11"\n'
    needs = 'dependencies = ["common"]\n[tool.uv.sources]\ncommon = { workspace = true }\n'
    write(tmp_path, {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/*", "shop"]\n',
        "libs/common/pyproject.toml": table.format("common"),
        "shop/pyproject.toml": table.format("shop") + needs,
    })  # fmt: skip
    with pytest.raises(click.ClickException, match="run `uv lock`"):
        read(tmp_path / "shop")
    uv = find_uv()
    assert uv is not None
    subprocess.run([uv, "lock", "--quiet", "--offline"], cwd=tmp_path, check=True, timeout=60)
    found = read(tmp_path / "shop")
    local = (LocalPackage((tmp_path / "libs/common").resolve()),)
    assert found == Dependencies("uv.lock", [], local, locked=True)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_requirement_of_several_lines_is_one(folder: Path, end: str) -> None:
    text = f"flask \\{end}  >=3{end}click{end}"
    for files in ({"requirements.txt": text}, {"requirements.txt": "-r a.txt", "a.txt": text}):
        found = read(folder, files).arguments
        assert [line.split() for line in found] == [["flask", ">=3"], ["click"]]
    hashed = "flask==3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert read(folder, {"requirements.txt": hashed}).arguments == ["-r", "requirements.txt"]


DYNAMIC = """
[project]
name = "shop"
dynamic = ["version", "dependencies"]
[tool.setuptools.dynamic]
version = {{ attr = "shop.version" }}
dependencies = {{ file = ["{}"] }}
"""


@pytest.mark.parametrize("requirements", [{}, {"requirements.txt": "-e .\n"}])
def test_setuptools_dynamic_dependencies_are_read(
    folder: Path, requirements: dict[str, str]
) -> None:
    files = {"pyproject.toml": DYNAMIC.format("deps.txt"), "deps.txt": "# web\nflask \\\n  >=3\n"}
    assert [line.split() for line in read(folder, {**files, **requirements}).lines] == [
        ["flask", ">=3"]
    ]


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"pyproject.toml": ""}, "write requirements.txt or project.dependencies"),
        ({"pyproject.toml": "", "Pipfile": ""}, "`pipenv requirements > requirements.txt`"),
        ({"pyproject.toml": DYNAMIC.format("nowhere.txt")}, "'nowhere.txt', which does not exist"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\nflask = '3'\n"}, "run `poetry lock`"),
        ({"pyproject.toml": f"{PYPROJECT}[tool.uv.sources]\na = {{}}\n"}, "run `uv lock`"),
        ({"poetry.lock": "[[package]]\nname = 'a'\n"}, "run `poetry lock` of a later one"),
        ({"pdm.lock": "[metadata]\n"}, "run `pdm lock --strategy inherit_metadata`"),
        ({"pylock.toml": "packages = 1"}, "pylock.toml cannot be read: TypeError"),
        ({"pylock.toml": "]"}, "pylock.toml cannot be read: TOMLDecodeError"),
        ({"uv.lock": "]"}, "uv.lock cannot be read: "),
        (
            {"requirements.txt": "-e ../nowhere\n"},
            "'../nowhere' is required, and must be a package",
        ),
        ({"requirements.txt": "-r nowhere.txt\n"}, "nowhere.txt is included, and does not exist."),
        (
            {"pyproject.toml": '[tool.unigate]\nrequirements = "x.txt"\n'},
            "names 'x.txt', which does not exist.",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error(folder: Path, files: dict[str, str], error: str) -> None:
    with pytest.raises(click.ClickException) as raised:
        read(folder, files)
    assert error in raised.value.message
