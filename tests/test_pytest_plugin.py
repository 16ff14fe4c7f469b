"""The pytest plugin in a project: each test runs pytest in a separate process."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAIN = """
import flask
import unigate

site = flask.Flask(__name__)
site.secret_key = "tea"


@site.get("/")
def home():
    flask.session["seen"] = flask.session.get("seen", 0) + 1
    return {"seen": flask.session["seen"], "source": unigate.current_request().source}


app = unigate.wrap(site)


def handler(event, context):
    reply = app(event, context)
    reply["headers"]["x-marked"] = "1"
    return reply
"""

SETTINGS = """
[tool.pytest.ini_options]
pythonpath = ["."]
filterwarnings = ["error"]
"""


class Project:
    """A project with an application in main.py."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        pytester.makepyfile(main=MAIN)

    def run(self, tests: str, settings: str = "", conftest: str = "") -> pytest.RunResult:
        self._pytester.makepyprojecttoml(SETTINGS + settings)
        self._pytester.makepyfile(test_it=tests)
        self._pytester.makeconftest(f'pytest_plugins = ["unigate.pytest_plugin"]\n{conftest}')
        return self._pytester.runpytest_subprocess(timeout=60)


pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Project(pytester)


def test_a_handler_around_the_application_can_be_configured(project: Project) -> None:
    tests = """
import main


def test_it(unigate_client):
    assert unigate_client.app is main.app
    response = unigate_client.get("/")
    assert response.headers["x-marked"] == "1"
    assert response.json() == {"seen": 1, "source": "http_api"}
"""
    project.run(tests, 'unigate_app = "main:handler"').assert_outcomes(passed=1)


def test_the_client_uses_the_configured_application(project: Project) -> None:
    tests = """
import main
from unigate.testing import Client


def test_session(unigate_client):
    assert isinstance(unigate_client, Client)
    assert unigate_client.app is main.app
    assert unigate_client.get("/").json() == {"seen": 1, "source": "http_api"}
    assert unigate_client.get("/").json()["seen"] == 2


def test_each_test_has_a_fresh_client(unigate_client):
    assert unigate_client.get("/").json()["seen"] == 1
"""
    project.run(tests, 'unigate_app = "main:app"').assert_outcomes(passed=2)


def test_a_bare_application_is_wrapped_once(project: Project) -> None:
    tests = """
apps = set()


def test_one(unigate_client):
    apps.add(unigate_client.app)
    assert unigate_client.get("/").json()["seen"] == 1


def test_two(unigate_client):
    apps.add(unigate_client.app)
    assert len(apps) == 1
"""
    project.run(tests, 'unigate_app = "main:site"').assert_outcomes(passed=2)


def test_the_source_is_a_setting_and_a_parameter(project: Project) -> None:
    tests = """
import pytest


def test_setting(unigate_client):
    assert unigate_client.get("/").json()["source"] == "rest_api"


@pytest.mark.parametrize("unigate_client", ["alb", "asgi", "wsgi"], indirect=True)
def test_parameter(unigate_client, request):
    asked = unigate_client.get("/").json()["source"]
    assert f"[{asked}]" in request.node.name
"""
    settings = 'unigate_app = "main:app"\nunigate_source = "rest_api"'
    project.run(tests, settings).assert_outcomes(passed=4)


def test_a_fixture_of_the_project_replaces_the_setting(project: Project) -> None:
    conftest = """
import pytest


@pytest.fixture
def unigate_app():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"from conftest"]

    return app
"""
    tests = """
def test_it(unigate_client):
    assert unigate_client.get("/").text == "from conftest"
"""
    project.run(tests, 'unigate_app = "nowhere:app"', conftest=conftest).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            'unigate_app = "main:flask"',
            "unigate_app: 'flask' is a module. Pass the application in it.",
        ),
        ("", 'The application is not configured: set unigate_app = "main:app" in pytest*'),
        (
            'unigate_app = "nowhere:app"',
            "unigate_app: 'nowhere:app' cannot be loaded: No module named 'nowhere'.*",
        ),
        (
            'unigate_app = "main:tea"',
            "*Module 'main' has no attribute 'tea'. Did you mean \"main:app\"?",
        ),
    ],
)
def test_a_configuration_error_is_one_line(project: Project, settings: str, line: str) -> None:
    result = project.run("def test_it(unigate_client): pass", settings)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])
    result.stdout.no_fnmatch_line("*unigate/pytest_plugin*")
