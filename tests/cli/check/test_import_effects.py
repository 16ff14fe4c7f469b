"""`unigate check`: the time that an import takes, and the files that it writes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import GATEWAY, project, write
from unigate.cli.check import import_probe
from unigate.cli.check.import_effects import check_import, check_time
from unigate.cli.main import main

from .checking import CHECK, GOOD, check


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


WRITING = """
import logging, os, pathlib, sqlite3, tempfile

pathlib.Path("log.txt").write_text("started")
pathlib.Path("main.py").read_text()
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
tempfile.TemporaryDirectory().cleanup()
sqlite3.connect("new.sqlite3").close()
sqlite3.connect(":memory:").close()


def later():
    open("/nowhere/log.txt", "w")


try:
    later()
except OSError:
    pass
logging.FileHandler("app.log").close()
os.makedirs("api", exist_ok=True)
os.makedirs("instance", exist_ok=True)
os.rename(tempfile.mkdtemp(), "moved")
os.utime("main.py")
sqlite3.connect("file:old.sqlite3?mode=ro", uri=True).close()
sqlite3.connect("read.sqlite3").execute("select 1")
with sqlite3.connect("old.sqlite3") as old:
    old.execute("create table entries (name)")
"""


def test_files_written_at_import(folder: Path) -> None:
    write(folder, {"main.py": f"{WRITING}\n{GATEWAY}", "old.sqlite3": "", "read.sqlite3": ""})
    found = list(check_import(folder, "main:app", 600))
    assert {one.kind for one in found} == {"write"}
    assert [(one.place, one.message.split()[0]) for one in found] == [
        ("main.py:4", "log.txt"),
        ("main.py:14", "/nowhere/log.txt"),
        ("main.py:21", "app.log"),
        ("main.py:23", "instance"),
        ("main.py:24", "moved"),
        ("main.py:25", "main.py"),
        ("main.py:9", "new.sqlite3"),
        ("main.py:28", "old.sqlite3"),
    ]


@pytest.mark.parametrize(
    ("event", "args", "paths"),
    [
        ("open", ("a", "r", os.O_RDONLY), []),
        ("open", ("a", "rb", os.O_CLOEXEC), []),
        ("open", ("a", "w", os.O_WRONLY), ["a"]),
        ("open", ("a", "r+", os.O_RDWR), ["a"]),
        ("open", (b"a", None, os.O_CREAT), ["a"]),
        ("open", (Path("a"), "x", None), ["a"]),
        ("open", (3, "w", os.O_WRONLY), []),  # a file that is open already
        ("os.mkdir", ("a", 511, -1), ["a"]),
        ("os.mkdir", ("api", 511, -1), []),  # deployed, with what is in it
        ("os.remove", ("a", -1), ["a"]),
        ("os.rename", ("a", "b", -1, -1), ["a", "b"]),
        ("os.link", ("a", "b", -1, -1), ["b"]),
        ("os.symlink", ("a", "b", -1), ["b"]),
        ("os.truncate", (3, 0), []),
        ("os.listdir", ("a",), []),
        ("sqlite3.connect", ("a",), []),  # which may read it only
        ("import", ("a", None, None, None, None), []),
        ("gc.collect", (), []),
    ],
)
def test_audit_events_that_write(event: str, args: tuple[object, ...], paths: list[str]) -> None:
    assert list(import_probe.written_paths(event, args)) == paths


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.db", "a.db"),
        (b"a.db", "a.db"),
        (Path("a.db"), "a.db"),
        (":memory:", ""),
        ("", ""),
        ("file:a%20b.db", "a b.db"),
        ("file:///data/a.db?mode=rwc", "/data/a.db"),
        ("file://localhost/data/a.db", "/data/a.db"),
        ("file:a.db?mode=ro", ""),
        ("file:a.db?immutable=1", ""),
        ("file::memory:?cache=shared", ""),
        ("file:a?mode=memory", ""),
    ],
)
def test_the_file_that_sqlite_may_write(name: object, file: str) -> None:
    assert import_probe.database_file(name) == file


def test_the_probe_reports_the_line_that_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    write(folder, {"writing.py": "import pathlib\n\npathlib.Path('log').write_text('')\n"})
    import_probe.main("writing", "report.json")
    Path("later").write_text("")  # the hook outlives the import
    report = json.loads(Path("report.json").read_text())
    assert report["written"] == [[str(folder / "log"), "writing.py:3"]]
    assert report["seconds"] > 0


def test_import_strings_of_a_gateway_are_loaded(folder: Path) -> None:
    lazy = "import unigate\n\napp = unigate.wrap('site_app:site')\n"
    write(folder, {"main.py": lazy, "site_app.py": f"open('log', 'w').close()\n{GATEWAY}"})
    assert [found.place for found in check_import(folder, "main:app", 600)] == ["site_app.py:1"]


def test_an_import_over_the_budget(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert check(capsys, "--budget", "0.0001") == [("import", "main")]
    assert main([*CHECK, "--budget", "0.0001"]) == 1
    assert "over the budget of 0.0001: " in (printed := capsys.readouterr().out)
    assert "werkzeug " in printed


def test_the_time_of_a_package_is_the_sum_of_its_modules() -> None:
    log = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |   zipimport
Hello, import time:   1000000 |    1000000 |     slow.one
import time:   2000000 |    9000000 |   slow
import time:    500000 |     500000 | other.package.module
import time: it is late
"""
    [found] = check_time("main", log, 9.0, 5)
    assert found.message == (
        "The import takes 9.0 s, over the budget of 5: slow 3.00, other 0.50, zipimport 0.00."
    )
    assert list(check_time("main", log, 4.0, 5)) == []


def test_an_application_that_cannot_be_imported_is_not_a_finding(folder: Path) -> None:
    write(folder, {"main.py": "import os\n\nos._exit(3)\n"})
    assert list(check_import(folder, "main:app", 0)) == []
