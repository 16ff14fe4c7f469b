"""`unigate check`: every mistake is found, and nothing where there is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unigate.cli.checks import needs, probe
from unigate.cli.checks.needs import sizes_of
from unigate.cli.main import main

from .projects import GATEWAY, project, write

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["unigate", "flask"]

[tool.unigate]
app = "main:app"
"""
VERCEL = '{"framework": null, "rewrites": [{"source": "/(.*)", "destination": "/api/index"}]}'
GOOD = {
    "pyproject.toml": PYPROJECT,
    "vercel.json": VERCEL,
    "api/index.py": "from main import app\n",
    "public/robots.txt": "",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


def check(
    capsys: pytest.CaptureFixture[str], *args: str, files: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return the kind and the place of each finding."""
    write(Path.cwd(), files or {})
    code = main(["check", "--json", *args])
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found else 0)
    assert all(finding["message"].endswith((".", ")")) for finding in found)
    return [(finding["kind"], finding["place"]) for finding in found]


def test_nothing_is_found_in_a_project_without_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "Nothing found.\n"
    assert check(capsys) == []


def test_a_finding_is_a_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, {"api/index.py": "from main import site as app\n"})
    assert main(["check"]) == 1
    assert capsys.readouterr().out == (
        "api/index.py:1: Vercel deploys 'app', which it finds first, and that is not the gateway. "
        "[entrypoint]\n1 found.\n"
    )


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("from main import site as application\nfrom main import app\n", "api/index.py:1"),
        ("if True:\n    from main import app\n", "api/index.py"),
        ("import main\n\nhandler = main.app\n", "api/index.py"),
    ],
)
def test_an_entry_point_that_is_not_the_gateway(
    capsys: pytest.CaptureFixture[str], entry: str, place: str
) -> None:
    assert check(capsys, files={"api/index.py": entry}) == [("entrypoint", place)]


def test_a_name_that_is_bound_again_counts_as_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    entry = "import unigate\nfrom main import site as app\n\napp = unigate.wrap(app)\n"
    assert check(capsys, files={"api/index.py": entry}) == []


def test_an_entry_point_that_pyproject_names(capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "pyproject.toml": PYPROJECT + '[tool.vercel]\nentrypoint = "other:app"\n',
        "other.py": "from main import site as app\n",
        "vercel.json": '{"framework": "flask"}',
    }
    assert check(capsys, files=files) == [("entrypoint", "other.py:1")]


def test_an_entry_point_that_a_preset_finds(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    files = {"vercel.json": '{"framework": "flask"}', "index.py": "from main import site as app\n"}
    assert check(capsys, files=files) == [("entrypoint", "index.py:1")]
    (folder / "index.py").unlink()
    assert check(capsys) == []


def test_mangum(capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "lambda_function.py": "def make():\n    import mangum\n    return mangum.Mangum(1)\n",
        "old.py": "from mangum import Mangum as M\n\nhandler = M(1)\n",
        "template.py": "{{ no python }\n",
        "tests/test_old.py": "handler = Mangum(1)\n",
    }
    assert check(capsys, files=files) == [
        ("handler", "lambda_function.py:3"),
        ("handler", "old.py:3"),
    ]


def test_no_project_table(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    bare = '[tool.unigate]\napp = "main:app"\npython = "3.12"\n'
    assert check(capsys, files={"pyproject.toml": bare}) == [("project", "pyproject.toml")]
    (folder / "vercel.json").unlink()  # others read requirements.txt
    assert check(capsys) == []
    (folder / "requirements.txt").unlink()
    assert check(capsys) == [("requirements", "pyproject.toml")]


def test_no_python_version(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    pyproject = PYPROJECT.replace("requires-python", "description")
    found = [("python", ".python-version")]
    assert check(capsys, files={"pyproject.toml": pyproject}) == found
    assert check(capsys, files={".python-version": "3.12\n"}) == []


@pytest.mark.parametrize("file", ["pyproject.toml", "requirements.txt"])
def test_tools_for_development(capsys: pytest.CaptureFixture[str], folder: Path, file: str) -> None:
    files = {
        "pyproject.toml": PYPROJECT.replace('"flask"', '"flask", "pytest>=8", "Pytest_Cov[x]"'),
        "requirements.txt": "# black\n-r other.txt\nunigate\npytest >= 8\npytest.cov==1 # x\n",
    }
    if file == "requirements.txt":
        (folder / "vercel.json").unlink()
        files["pyproject.toml"] = '[tool.unigate]\napp = "main:app"\npython = "3.12"\n'
    assert check(capsys, files=files) == [("development", file), ("development", file)]


def test_the_size_is_that_of_all_that_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of([("flask", frozenset()), ("not-installed-here", frozenset())])
    assert {"flask", "werkzeug", "jinja2", "markupsafe"} <= set(sizes)
    assert "asgiref" not in sizes  # of the extra "async"
    assert "asgiref" in sizes_of([("flask", frozenset({"async"}))])
    assert sizes["werkzeug"] > 200_000
    monkeypatch.setattr(needs, "MOST_BYTES", 10_000)
    assert main(["check"]) == 1
    assert "of the 0 MB" not in (printed := capsys.readouterr().out)
    assert "werkzeug" in printed
    assert "[size]" in printed


WRITING = """
import os, pathlib, sqlite3, tempfile

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
"""


def test_files_written_at_import(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, {"main.py": f"{WRITING}\n{GATEWAY}"})
    places = ["main.py:4", "main.py:9", "main.py:14"]
    assert check(capsys) == [("write", place) for place in places]


@pytest.mark.parametrize(
    ("event", "args", "path"),
    [
        ("open", ("a", "r", os.O_RDONLY), None),
        ("open", ("a", "rb", os.O_CLOEXEC), None),
        ("open", ("a", "w", os.O_WRONLY), "a"),
        ("open", ("a", "r+", os.O_RDWR), "a"),
        ("open", (b"a", None, os.O_CREAT), "a"),
        ("open", (Path("a"), "x", None), "a"),
        ("open", (3, "w", os.O_WRONLY), None),  # a file that is open already
        ("sqlite3.connect", (":memory:",), None),
        ("sqlite3.connect", ("main.py",), None),
        ("sqlite3.connect", ("new.db",), "new.db"),
        ("os.mkdir", ("a", 511, -1), "a"),
        ("os.remove", ("a", -1), "a"),
        ("os.rename", ("a", "b", -1, -1), "a"),
        ("os.listdir", ("a",), None),
        ("import", ("a", None, None, None, None), None),
        ("gc.collect", (), None),
    ],
)
def test_an_event_of_the_audit_is_a_write(
    event: str, args: tuple[object, ...], path: str | None
) -> None:
    assert probe._written(event, args) == path


def test_the_probe_reports_who_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    write(folder, {"writing.py": "import pathlib\n\npathlib.Path('log').write_text('')\n"})
    probe.main("writing", "report.json")
    Path("later").write_text("")  # the hook outlives the import
    report = json.loads(Path("report.json").read_text())
    assert report == [[str(folder / "log"), "writing.py:3"]]


def test_an_import_over_the_budget(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert check(capsys, "--budget", "0.0001") == [("import", "main")]
    assert main(["check", "--budget", "0.0001"]) == 1
    assert "over the budget of 0.0001: " in (printed := capsys.readouterr().out)
    assert "werkzeug 0." in printed


@pytest.mark.parametrize("framework", ['"framework": "flask", ', ""])
def test_a_rewrite_that_changes_what_the_application_sees(
    capsys: pytest.CaptureFixture[str], framework: str
) -> None:
    # Without a word on the framework, Vercel finds out that it is one.
    for source in ("/(.*)", "/:path*", "/:path(.*)", "(.*)"):
        rewrite = f'[{{"source": "{source}", "destination": "/api/index"}}]'
        found = check(capsys, files={"vercel.json": f'{{{framework}"rewrites": {rewrite}}}'})
        assert found == [("rewrite", "vercel.json")]
    rewrite = '[{"source": "/old", "destination": "/new"}]'
    assert check(capsys, files={"vercel.json": f'{{{framework}"rewrites": {rewrite}}}'}) == []


def test_sources_that_everyone_may_read(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "public/robots.txt").unlink()
    (folder / "public").rmdir()
    assert check(capsys) == [("sources", "vercel.json")]


def test_a_project_for_other_platforms_needs_nothing_of_vercel(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    shutil.rmtree(folder / "public")
    shutil.rmtree(folder / "api")
    (folder / "vercel.json").unlink()
    assert check(capsys) == []


def test_what_is_checked_may_be_what_vercel_deploys(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    write(folder, {"pyproject.toml": PYPROJECT.partition("[tool")[0]})
    assert check(capsys) == []
    (folder / "api/index.py").unlink()
    assert main(["check"]) == 2
    assert "Say which application" in capsys.readouterr().err
    assert check(capsys, "main:app") == [("entrypoint", "vercel.json")]


def test_what_cannot_be_loaded_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere:app"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "args", "code"),
    [
        ({"api/index.py": "def (\n", "pyproject.toml": ""}, [], 2),
        ({"api/index.py": "raise RuntimeError\n", "pyproject.toml": ""}, [], 2),
        ({"api/index.py": "raise RuntimeError\nfrom main import app\n"}, ["main:app"], 1),
        ({"pyproject.toml": '[tool.vercel]\nentrypoint = "nowhere:app"\n'}, [], 2),
        ({"pyproject.toml": "tool = 1\n"}, [], 2),
        ({"pyproject.toml": "project = 1\n"}, [], 2),
        ({"pyproject.toml": "[tool]\nvercel = 1\n"}, [], 2),
        ({"pyproject.toml": '[project]\ndependencies = "flask"\n'}, [], 2),
        ({"vercel.json": '{"rewrites": ["x"]}'}, [], 0),
    ],
)
def test_what_is_broken_ends_in_a_line_and_no_crash(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], args: list[str], code: int
) -> None:
    write(Path.cwd(), files)
    assert main(["check", *args]) == code


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_vercel_json_that_is_none(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert check(capsys, files={"vercel.json": text}) == [("vercel", "vercel.json")]


def test_what_the_application_prints_is_no_part_of_the_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(capsys, files={"main.py": f"print('hello')\n{GATEWAY}"}) == []


def test_what_a_gateway_loads_at_its_first_request_counts(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    lazy = "import unigate\n\napp = unigate.wrap('site_app:site')\n"
    write(folder, {"main.py": lazy, "site_app.py": f"open('log', 'w').close()\n{GATEWAY}"})
    assert check(capsys) == [("write", "site_app.py:1")]


def test_every_mistake_at_once(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    shutil.rmtree(folder / "public")
    files = {
        "pyproject.toml": '[tool.unigate]\napp = "main:app"\n',
        "requirements.txt": "flask\npytest\n",
        "api/index.py": "import pathlib\nfrom main import site as application\n"
        "pathlib.Path('log.txt').write_text('')\nfrom main import app\n",
        "old.py": "handler = Mangum(1)\n",
    }
    assert check(capsys, "api.index:app", "--budget", "0.0001", files=files) == [
        ("entrypoint", "api/index.py:2"),
        ("sources", "vercel.json"),
        ("handler", "old.py:1"),
        ("project", "pyproject.toml"),
        ("python", ".python-version"),
        ("requirements", "requirements.txt"),
        ("development", "requirements.txt"),
        ("write", "api/index.py:3"),
        ("import", "api.index"),
    ]


# The examples, each in a process of its own, because there is one Django in each


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-m", "unigate", *args], cwd=folder, capture_output=True, text=True,
        env={
            **inherited, "PYTHONPATH": f"{ROOT}:{ROOT / 'contrib'}", "PYTHONDONTWRITEBYTECODE": "1",
        },
    )  # fmt: skip


@pytest.fixture(params=["example_flask", "example_django"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copy = tmp_path / request.param
    shutil.copytree(ROOT / request.param, copy, ignore=shutil.ignore_patterns("*.sqlite3"))
    return copy


def test_nothing_is_found_in_an_example_that_was_built(example: Path) -> None:
    built = run(example, "build", "api.index:app", "--target", "vercel", "--force")
    assert built.returncode == 0, built.stderr
    checked = run(example, "check")
    assert (checked.stdout, checked.returncode) == ("Nothing found.\n", 0), checked.stderr


def test_djangos_own_checks_are_run(example: Path) -> None:
    if example.name == "example_flask":
        return
    settings = example / "guestbook/settings.py"
    settings.write_text(settings.read_text().replace('    "django.contrib.messages",\n', ""))
    found = json.loads(run(example, "check", "--json").stdout)
    assert "admin.E406" in [finding["place"] for finding in found if finding["kind"] == "django"]
