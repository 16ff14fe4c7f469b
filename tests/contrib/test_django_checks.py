"""The system checks of django_unigate, called directly and by `manage.py check`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.test import override_settings

from django_unigate import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
django.setup()

ROOT = Path(__file__).resolve().parents[2]
OURS = "django_unigate.middleware.UnigateMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"
LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
RUNTIME = {"default": {"BACKEND": "django_unigate.cache.RuntimeCache"}}
STRICT = {"default": {**RUNTIME["default"], "OPTIONS": {"strict": True}}}
MEMORY = {"default": {**STRICT["default"], "LOCATION": "memory://sessions"}}
REDIS = {"default": {**STRICT["default"], "LOCATION": "redis://cache.example"}}
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "tea"}
SQLITE = {"ENGINE": "django.db.backends.sqlite3"}
HOST = {"HOSTS": ["tea.example"]}


def ids(check: Callable[..., list[CheckMessage]], **settings: Any) -> list[str]:
    with override_settings(**settings):
        messages = check(None)
    assert all(message.hint and message.msg for message in messages)
    return [str(message.id).rpartition(".")[2] for message in messages]


@pytest.fixture(autouse=True)
def not_on_vercel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERCEL_URL", "VERCEL_BRANCH_URL", "VERCEL_PROJECT_PRODUCTION_URL"):
        monkeypatch.delenv(name, raising=False)


def test_an_invalid_setting_is_an_error() -> None:
    with override_settings(UNIGATE={"HOST": "x"}):
        [message] = checks.check_settings(None)
    assert isinstance(message, Error)
    assert "Unknown keys in UNIGATE: 'HOST'" in message.msg
    assert message.id == "django_unigate.E001"


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([OURS], []),
        ([SECURITY, OURS, CSRF], []),
        ([CSRF], ["W001"]),
        ([SECURITY, CSRF, OURS], ["W002"]),
    ],
)
def test_the_middleware_must_be_present_and_early(
    middleware: list[str], expected: list[str]
) -> None:
    assert ids(checks.check_settings, MIDDLEWARE=middleware) == expected


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (POSTGRES, []),
        ({**POSTGRES, "CONN_MAX_AGE": 0}, []),
        ({**POSTGRES, "CONN_MAX_AGE": 60}, ["W003"]),
        ({**POSTGRES, "CONN_MAX_AGE": None}, ["W003"]),
        ({**SQLITE, "NAME": ":memory:"}, []),
        ({**SQLITE, "NAME": "file:tea?mode=memory&cache=shared"}, []),
        ({**SQLITE, "NAME": Path("/var/task/tea.sqlite3")}, ["W004"]),
        ({**SQLITE, "NAME": f"{tempfile.gettempdir()}/tea.sqlite3"}, ["W004"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_databases(database: dict[str, Any], expected: list[str]) -> None:
    assert ids(checks.check_databases, DATABASES={"default": database}) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ALLOWED_HOSTS": ["tea.example"], "CSRF_TRUSTED_ORIGINS": ["https://tea.example"]}, []),
        ({"ALLOWED_HOSTS": [".example"], "CSRF_TRUSTED_ORIGINS": ["https://*.example"]}, []),
        ({"ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": ["http://tea.example"]}, ["W006"]),
        ({"ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": []}, ["W006"]),
        ({"ALLOWED_HOSTS": ["*"], "MIDDLEWARE": []}, []),
        ({"ALLOWED_HOSTS": ["leaf.example"]}, ["W005", "W006"]),
        ({"ALLOWED_HOSTS": ["leaf.example"], "UNIGATE": {}}, []),
        ({"ALLOWED_HOSTS": ["leaf.example"], "UNIGATE": {"HOSTS": 3}}, []),
    ],
)
def test_hosts(settings: dict[str, Any], expected: list[str]) -> None:
    assert (
        ids(checks.check_hosts, **{"MIDDLEWARE": [CSRF], "UNIGATE": HOST, **settings}) == expected
    )


def test_hosts_of_a_vercel_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERCEL_URL", "tea-3x4mpl3.vercel.app")
    assert ids(checks.check_hosts, ALLOWED_HOSTS=["tea.example"], MIDDLEWARE=[]) == ["W005"]
    assert ids(checks.check_hosts, ALLOWED_HOSTS=[".vercel.app"], MIDDLEWARE=[]) == []


@pytest.mark.parametrize(
    ("header", "redirect", "expected"),
    [
        (None, False, []),
        (None, True, ["W007"]),
        (("HTTP_X_FORWARDED_PROTO", "https"), True, []),
        (("X-Forwarded-Proto", "https"), False, ["W008"]),
    ],
)
def test_proxy_header(header: Any, redirect: bool, expected: list[str]) -> None:
    settings = {"SECURE_PROXY_SSL_HEADER": header, "SECURE_SSL_REDIRECT": redirect}
    assert ids(checks.check_proxy_header, **settings) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"STATIC_ROOT": None}, ["W009"]),
        ({"STATIC_ROOT": "/var/static"}, []),
        ({"STATIC_ROOT": None, "WHITENOISE_USE_FINDERS": True}, []),
        ({"STATIC_ROOT": None, "INSTALLED_APPS": []}, []),
    ],
)
def test_static_files(settings: dict[str, Any], expected: list[str]) -> None:
    installed = {"INSTALLED_APPS": ["django.contrib.staticfiles"]}
    assert ids(checks.check_files, **{**installed, **settings}) == expected


@pytest.mark.parametrize(
    ("caches", "engine", "expected"),
    [
        (RUNTIME, "django.contrib.sessions.backends.cache", ["W012"]),
        (STRICT, "django.contrib.sessions.backends.cache", []),
        (RUNTIME, "django.contrib.sessions.backends.cached_db", []),
        (RUNTIME, "django.contrib.sessions.backends.file", ["W011"]),
        (REDIS, "django.contrib.sessions.backends.cache", []),
        (MEMORY, "django.contrib.sessions.backends.cache", ["W010", "W011"]),
        (MEMORY, "django.contrib.sessions.backends.db", ["W010"]),
        (LOCMEM, "django.contrib.sessions.backends.db", ["W010"]),
        (LOCMEM, "django.contrib.sessions.backends.cached_db", ["W010"]),
        (LOCMEM, "django.contrib.sessions.backends.cache", ["W010", "W011"]),
    ],
)
def test_what_is_in_memory_or_in_a_cache(
    caches: dict[str, Any], engine: str, expected: list[str]
) -> None:
    settings = {"CACHES": caches, "SESSION_ENGINE": engine}
    sessions = {"INSTALLED_APPS": ["django.contrib.sessions"]}
    found = [
        number
        for check in (checks.check_caches, checks.check_sessions)
        for number in ids(check, **settings, **sessions)
    ]
    assert found == expected
    assert ids(checks.check_sessions, **settings, INSTALLED_APPS=[]) == []


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", *arguments],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "deployed"}
        | {"PYTHONPATH": os.pathsep.join([os.environ["PROJECT"], str(ROOT), f"{ROOT}/contrib"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_manage_py_check_runs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployed.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django_unigate', 'django.contrib.staticfiles']\n"
        "STATIC_URL = '/static/'\nSECURE_SSL_REDIRECT = True\nUNIGATE = {'HOSTS': ['a.example']}\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x.db'}}\n"
    )
    monkeypatch.setenv("PROJECT", str(tmp_path))

    plain = run("check")
    assert "(django_unigate.W001)" in plain
    assert plain.count("django_unigate.W") == 1
    deploy = run("check", "--deploy")
    for number in ("001", "004", "005", "007", "009", "010"):
        assert f"(django_unigate.W{number})" in deploy
    assert "(django_unigate.W010)" in run("check", "--deploy", "--tag", "unigate")


def test_the_application_has_a_name() -> None:
    with override_settings(INSTALLED_APPS=["django_unigate"]):
        assert apps.get_app_config("django_unigate").verbose_name == "unigate"
