"""`manage.py unigate`: the arguments that reach the program, and its output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import django
import pytest
from django.core.management import call_command
from django.test import override_settings

from django_unigate.management.commands.unigate import with_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("settings", "arguments", "expected"),
    [
        ({"WSGI_APPLICATION": "tea.wsgi.application"}, "dev", "dev tea.wsgi:application"),
        ({"ASGI_APPLICATION": "tea.asgi.application"}, "dev", "dev tea.asgi:application"),
        ({"UNIGATE": {"APPLICATION": "api.index:app"}}, "dev", "dev api.index:app"),
        (
            {"UNIGATE": {"APPLICATION": "api.index:app"}},
            "invoke --header a:b",
            "invoke api.index:app --header a:b",
        ),
        (
            {"UNIGATE": {"APPLICATION": "api.index:app"}},
            "routes other:app --json",
            "routes other:app --json",
        ),
        ({"WSGI_APPLICATION": None}, "dev", "dev"),
        ({"WSGI_APPLICATION": "tea.wsgi.application"}, "--help", "--help"),
        ({"WSGI_APPLICATION": "tea.wsgi.application"}, "", ""),
    ],
)
def test_the_default_application_is_the_projects(
    settings: dict[str, object], arguments: str, expected: str
) -> None:
    with override_settings(**settings):
        assert with_application(arguments.split()) == expected.split()


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "unigate", *arguments],
        cwd=folder,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "project"}
        | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), f"{ROOT}/contrib"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project.py").write_text(
        "from django.core.wsgi import get_wsgi_application\n"
        "from django.http import HttpResponse\nfrom django.urls import path\n"
        "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nINSTALLED_APPS = ['django_unigate']\n"
        "MIDDLEWARE = ['django_unigate.middleware.UnigateMiddleware']\n"
        "ROOT_URLCONF = 'project'\nWSGI_APPLICATION = 'wsgi.application'\n"
        "urlpatterns = [path('tea', lambda r: HttpResponse(f'{r.unigate.source} tea'))]\n"
    )
    (tmp_path / "wsgi.py").write_text(
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    )
    return tmp_path


def test_it_invokes_the_application(project: Path) -> None:
    done = manage(project, "invoke", "--path", "/tea")

    assert done.returncode == 0, done.stderr
    assert "http_api tea" in done.stdout


def test_its_exit_code_and_error_are_those_of_the_program(project: Path) -> None:
    done = manage(project, "invoke", "nowhere:app")

    assert done.returncode == 2
    assert done.stderr.startswith("manage.py unigate: 'nowhere:app' ")


def test_it_shows_the_commands_of_the_program(project: Path) -> None:
    done = manage(project, "--help")
    assert done.stdout.startswith("Usage: manage.py unigate "), done.stdout
    assert "Example: manage.py unigate dev\n" in done.stdout

    assert done.returncode == 0, done.stderr
    for command in ("dev", "invoke", "build", "routes"):
        assert f"  {command} " in done.stdout


def test_it_can_be_called_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(INSTALLED_APPS=["django_unigate"]):
        call_command("unigate", "routes", "tests.apps.importable:app", "--help")
    assert "routes" in capsys.readouterr().out
    with override_settings(INSTALLED_APPS=["django_unigate"]), pytest.raises(SystemExit) as end:
        call_command("unigate", "steep")
    assert end.value.code == 2
