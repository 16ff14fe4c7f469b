"""`unigate check` as a whole: findings, exit codes, and the examples without findings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.cli.projects import GATEWAY, project, write
from unigate.cli.check.findings import FindingKind
from unigate.cli.main import main

from .checking import CHECK, GOOD, PYPROJECT, ROOT, check, found_in, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


def test_nothing_is_found_in_a_project_without_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*CHECK]) == 0
    assert capsys.readouterr().out == "Nothing found.\n"
    assert check(capsys) == []


def test_a_finding_is_one_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(folder, {"api/index.py": "from main import site as app\n"})
    assert main([*CHECK]) == 1
    assert capsys.readouterr().out == (
        "api/index.py:1: Vercel deploys 'app', which it finds first, which is not the gateway. "
        "[entrypoint]\n1 found.\n"
    )


def test_an_application_that_cannot_be_loaded_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "nowhere:app"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "args", "code"),
    [
        ({"api/index.py": "def (\n", "pyproject.toml": ""}, [], 2),
        ({"api/index.py": "raise RuntimeError\n", "pyproject.toml": ""}, [], 2),
        ({"api/index.py": "raise RuntimeError\nfrom main import app\n"}, ["main:app"], 1),
        ({"vercel.json": "{}", "pyproject.toml": '[tool.vercel]\nentrypoint = "x:app"\n'}, [], 2),
        ({"pyproject.toml": "tool = 1\n"}, [], 2),
        ({"pyproject.toml": "project = 1\n"}, [], 2),
        ({"pyproject.toml": "[tool]\nvercel = 1\n"}, [], 2),
        ({"pyproject.toml": '[project]\ndependencies = "flask"\n'}, [], 2),
        ({"vercel.json": '{"rewrites": ["x"]}'}, [], 1),
        ({"vercel.json": '{"rewrites": 1, "routes": 1, "builds": 1, "functions": 1}'}, [], 1),
        ({"vercel.json": '{"routes": [1, {"src": 1}, {"dest": "/x", "src": "("}]}'}, [], 1),
        ({"vercel.json": '{"builds": [1, {"use": "@vercel/python"}]}'}, [], 1),
    ],
)
def test_broken_files_end_in_a_message(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], args: list[str], code: int
) -> None:
    write(Path.cwd(), files)
    assert main([*CHECK, *args]) == code


def test_output_of_the_application_is_not_in_the_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(capsys, files={"main.py": f"print('hello')\n{GATEWAY}"}) == []


def test_a_project_for_another_platform_has_no_findings_on_vercel(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    shutil.rmtree(folder / "public")
    shutil.rmtree(folder / "api")
    (folder / "vercel.json").unlink()
    assert check(capsys) == []


def test_the_default_application_is_what_vercel_deploys(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    # [tool.vercel] has an effect only with a preset.
    pyproject = PYPROJECT.partition("[tool")[0] + '[tool.vercel]\nentrypoint = "nowhere:app"\n'
    assert check(capsys, files={"pyproject.toml": pyproject}) == []
    (folder / "api/index.py").unlink()
    assert main([*CHECK]) == 2
    assert "Name the application" in capsys.readouterr().err


# A Django project, so that its checks are run too. The comments name the kinds of findings.
EVERY_MISTAKE = {
    "pyproject.toml": '[tool.unigate]\napp = "main:app"\n',  # project, python
    "requirements.txt": "django\npytest\n",  # requirements, development
    "vercel.json": json.dumps(
        {
            "framework": None,  # sources, without a folder public/
            "functions": {"api/nowhere.py": {"memory": 512}},  # vercel
            "rewrites": [
                {"source": "/(.*)", "destination": "/api/index"},
                {"source": "/old", "destination": "/api/nowhere"},  # rewrite
            ],
        }
    ),
    "api/index.py": "from main import django as application\n",  # entrypoint
    "old.py": "import mangum\n\nhandler = mangum.Mangum(None)\n",  # handler
    "main.py": """
import pathlib

import unigate
from django.conf import settings
from django.core.wsgi import get_wsgi_application

pathlib.Path("log.txt").write_text("")  # write
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)  # django
urlpatterns = []
django = get_wsgi_application()


async def api(scope, receive, send):
    status = 200 if scope["path"] == "/" else 404  # prefix
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


app = unigate.wrap(django, mounts={"/v2": api})
""",
}


def test_every_mistake_at_once(folder: Path) -> None:
    shutil.rmtree(folder / "public")
    write(folder, EVERY_MISTAKE)
    with open(folder / "model.bin", "wb") as file:
        os.truncate(file.fileno(), 300 * 2**20)  # size
    found = found_in(folder, "--budget", "0.0001")  # import
    places = {(finding["kind"], finding["place"]) for finding in found}
    places = {("django", "") if kind == "django" else (kind, place) for kind, place in places}
    assert places == {
        ("development", "requirements.txt"),
        ("django", ""),
        ("entrypoint", "api/index.py:1"),
        ("handler", "old.py:3"),
        ("import", "main"),
        ("prefix", "/v2"),
        ("project", "pyproject.toml"),
        ("python", ".python-version"),
        ("requirements", "old.py:1"),
        ("requirements", "requirements.txt"),
        ("rewrite", "vercel.json"),
        ("size", "(all that is deployed)"),
        ("sources", "vercel.json"),
        ("vercel", "vercel.json"),
        ("write", "main.py:8"),
    }
    assert {kind for kind, _ in places} == set(get_args(FindingKind))


@pytest.fixture(params=["example_flask", "example_django"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copy = tmp_path / request.param
    shutil.copytree(ROOT / request.param, copy, ignore=shutil.ignore_patterns("*.sqlite3"))
    return copy


def test_nothing_is_found_in_an_example(example: Path) -> None:
    checked = run(example, *CHECK)
    assert (checked.stdout, checked.returncode) == ("Nothing found.\n", 0), checked.stderr


@pytest.mark.parametrize("options", [[], ["--split"]])
def test_nothing_is_found_in_an_example_that_was_built(example: Path, options: list[str]) -> None:
    built = run(example, "build", "api.index:app", "--target", "vercel", "--force", *options)
    assert built.returncode == 0, built.stderr
    checked = run(example, *CHECK)
    assert (checked.stdout, checked.returncode) == ("Nothing found.\n", 0), checked.stderr
