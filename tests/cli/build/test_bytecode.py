"""Bytecode in the zip for AWS, and what a cold start gains by it."""

from __future__ import annotations

import json
import os
import py_compile
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import cache_from_source, source_hash
from pathlib import Path

import pytest

from tests.cli.projects import project, write
from unigate.cli.build import cold_start, task_folder
from unigate.cli.build.bytecode import PackageBytecode, compile_packages, fitting
from unigate.cli.main import main
from unigate.cli.project import interpreters
from unigate.cli.project.interpreters import find_interpreter
from unigate.cli.project.platforms import PLATFORMS

MINOR = f"3.{sys.version_info.minor}"
APPLICATION = """
import teapot


def app(environ, start_response):
    start_response("200 OK", [])
    return [teapot.KIND.encode()]
"""
PACKAGES = {
    "teapot": {
        "teapot/__init__.py": "KIND = 'porcelain'\n",
        "teapot/inner/lid.py": "SIZE = 1\n",
        "teapot/python2.py": "print 'tea'\n",
        "teapot/latin.py": "# coding: latin-1\n",
        "unigate/__init__.py": "def wrap(application):\n    return application\n",
    },
    "urn": {"urn.py": f"TEXT = {'x' * 5000!r}\n", "urn_more.py": ""},
}
OWN = {"main.py", "teapot.py", "lambda_function.py"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf))
    for name, files in PACKAGES.items():
        info = f"{name}-1.0.dist-info"
        metadata = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        with zipfile.ZipFile(shelf / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            for path, text in {**files, **metadata}.items():
                wheel.writestr(path, text)
            lines = [f"{path},,\n" for path in (*files, *metadata, f"{info}/RECORD")]
            wheel.writestr(f"{info}/RECORD", "".join(lines))
    files = {
        "main.py": APPLICATION,
        "requirements.txt": "teapot\nurn\n",
        "pyproject.toml": f'[tool.unigate]\npython = "{MINOR}"\n',
        # For the import in this process; the zip has the installed package.
        "teapot.py": "KIND = 'clay'\n",
    }
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


def build(*options: str) -> int:
    return main(["build", "main:app", "--target", "aws", "--output", "out", *options])


def unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "out/function.zip") as archive:
        archive.extractall(folder / "task")
    return folder / "task"


def bytecode_in(folder: Path) -> set[str]:
    with zipfile.ZipFile(folder / "out/function.zip") as archive:
        return {name for name in archive.namelist() if name.endswith(".pyc")}


def test_each_module_has_bytecode_with_an_unchecked_hash(folder: Path) -> None:
    assert build() == 0
    task = unpacked(folder)
    sources = {path for files in PACKAGES.values() for path in files} | OWN
    sources -= {"teapot/python2.py"}
    assert bytecode_in(folder) == {cache_from_source(path) for path in sources}
    for path in sources:
        head = (task / cache_from_source(path)).read_bytes()[:16]
        assert head[4:8] == b"\1\0\0\0"  # PEP 552: by hash, not checked
        assert head[8:16] == source_hash((task / path).read_bytes())
    (task / "urn.py").write_text("TEXT = ''\n")  # which Python must not look at
    command = [sys.executable, "-I", "-S", "-B", "-c", "import sys; sys.path.insert(0, '');"]
    command[-1] += "import urn; print(len(urn.TEXT), urn.__file__)"
    done = subprocess.run(command, cwd=task, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["5000", str(task / "urn.py")]


def test_two_builds_give_the_same_bytes(folder: Path) -> None:
    assert build() == 0
    first = (folder / "out/function.zip").read_bytes()
    assert build() == 0
    assert (folder / "out/function.zip").read_bytes() == first


def test_bytecode_does_not_depend_on_what_is_compiled_beside_it(tmp_path: Path) -> None:
    """What marshal writes depends on the objects of its process: these share many names."""
    import jinja2
    import werkzeug

    packages = {}
    for module in (jinja2, werkzeug):
        root = Path(module.__file__ or "").parent
        packages[module.__name__] = {
            file.relative_to(root.parent).as_posix(): file for file in root.rglob("*.py")
        }
    both = compile_packages(sys.executable, packages, tmp_path / "both")
    alone = {"werkzeug": packages["werkzeug"]}
    again = compile_packages(sys.executable, alone, tmp_path / "alone")
    first, second = both["werkzeug"], again["werkzeug"]
    assert first.keys() == second.keys()
    assert len(first) > 40
    assert [path for path in first if first[path].read_bytes() != second[path].read_bytes()] == []


@pytest.mark.parametrize("how", ["option", "setting"])
def test_bytecode_can_be_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    if how == "setting":
        write(folder, {"pyproject.toml": "[tool.unigate]\nbytecode = false\n"})
    assert build(*(["--no-bytecode"] if how == "option" else [])) == 0
    assert bytecode_in(folder) == set()
    assert "(bytecode)" not in capsys.readouterr().err


def test_bytecode_is_counted_and_a_cold_start_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build() == 0
    err = capsys.readouterr().err
    assert "0.0 MB  (bytecode)\n" in err
    assert re.search(
        r"A cold start imports the application in \d+\.\d\d s, and without bytecode in "
        r"\d+\.\d\d s \(measured here\)\.\n",
        err,
    )


def test_an_application_that_cannot_start_here_has_bytecode_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"requirements.txt": "urn\n", "pyproject.toml": (
        f'[tool.unigate]\npython = "{MINOR}"\nexclude = ["teapot.py"]\n'
    )})  # fmt: skip
    assert build() == 0
    assert (
        "The cold start cannot be measured here: ModuleNotFoundError: No module named 'teapot'\n"
    ) in capsys.readouterr().err
    kept = {*OWN, "urn.py", "urn_more.py"} - {"teapot.py"}
    assert bytecode_in(folder) == {cache_from_source(path) for path in kept}


def test_without_an_interpreter_the_build_says_what_that_costs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_folder, "find_interpreter", lambda version: None)
    assert build() == 0
    assert bytecode_in(folder) == set()
    assert re.search(
        rf"No bytecode in the zip, because Python {re.escape(MINOR)} is not here to compile it: "
        r"each cold start compiles 3 modules of the application, which takes 0\.\d\d s here\. "
        rf'Install that Python, for example with "uv python install {re.escape(MINOR)}", and build '
        r"again\.\n",
        capsys.readouterr().err,
    )


def test_bytecode_that_would_pass_the_limit_is_left_out_of_what_gains_least(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build("--no-bytecode") == 0
    with zipfile.ZipFile(folder / "out/function.zip") as archive:
        size = sum(info.file_size for info in archive.infolist())
    small = PLATFORMS["aws"]._replace(max_bytes=size + 4000)
    monkeypatch.setitem(PLATFORMS, "aws", small)
    capsys.readouterr()
    assert build() == 0
    assert bytecode_in(folder) == {
        cache_from_source(path)
        for path in (*OWN, *PACKAGES["teapot"])
        if path != "teapot/python2.py"
    }
    err = capsys.readouterr().err
    assert (
        "Bytecode left out to stay below the limit, of the packages that gain least: urn 1.0 (0.0 "
        "MB). Each cold start compiles what it imports of them.\n"
    ) in err
    assert "Warning: Lambda's limit" not in err


def test_what_gains_most_for_its_size_is_taken_first() -> None:
    def of(name: str, size: int, gain: int) -> PackageBytecode:
        return PackageBytecode(name, {}, size, gain)

    unused, large, small = of("unused", 10, 0), of("large", 90, 90), of("small", 10, 20)
    empty = of("empty", 0, 0)
    assert fitting([unused, large, small, empty], 200)[1] == []
    assert fitting([unused, large, small], 100) == ([small, large], [unused])
    assert fitting([unused, large, small], 99) == ([small, unused], [large])
    assert fitting([large], -5) == ([], [large])


# The measurement


def test_a_start_without_bytecode_reads_the_sources(tmp_path: Path) -> None:
    source, compiled = tmp_path / "main.py", Path(cache_from_source(str(tmp_path / "main.py")))
    source.write_text("app = 1\n")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(compiled), invalidation_mode=mode)
    source.write_text("raise RuntimeError('compiled')\n")
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        str(cold_start._PROGRAM),
        str(tmp_path),
        "main:app",
    ]
    assert json.loads(subprocess.check_output(command, timeout=60))["modules"] == ["main.py"]
    done = subprocess.run([*command, "--no-bytecode"], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("RuntimeError: compiled\n")
    assert list(tmp_path.rglob("*.pyc")) == [compiled]


def test_a_project_is_measured_without_a_change_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    own = tmp_path / "own"
    write(own, {"main.py": "import flask, part\nprint('hello')\napp = 1\n", "part.py": ""})
    start = cold_start.cold_start_here(sys.executable, own, "main:app")
    assert 0 < start.with_bytecode < start.without
    assert start.modules == ["main.py", "part.py"]
    assert sorted(os.listdir(own)) == ["main.py", "part.py"]
    with pytest.raises(cold_start.NotStarted, match="ModuleNotFoundError"):
        cold_start.cold_start_here(sys.executable, own, "other:app")


# Interpreters


def test_the_running_interpreter_is_found_first() -> None:
    assert find_interpreter(MINOR) == sys.executable
    assert find_interpreter("3.99") is None


def test_pyenvs_interpreters_are_found_and_programs_that_fail_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    shim = script(tmp_path / "shims/python3.98", "exit 127")
    script(tmp_path / "versions/3.98.0/bin/python3.98", "echo pypy 3.98")
    wanted = script(tmp_path / "versions/3.98.1/bin/python3.98", "echo cpython 3.98")
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_interpreter("3.98") == str(wanted)


def test_uv_is_asked_for_its_interpreters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tmp_path / "found"
    found.write_text("#!/bin/sh\necho cpython 3.98\n")
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$1 $2 $5" = "python find 3.98" ] && echo {found}\n')
    for program in (found, uv):
        program.chmod(0o755)
    monkeypatch.setattr(interpreters, "find_uv", lambda: str(uv))
    assert find_interpreter("3.98") == str(found)
