"""`flask unigate`: the program `unigate` for the application loaded by Flask."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.waiting import SECONDS, until

SHOP = """
import flask
from flask_unigate import Unigate

def create_app(name):
    app = flask.Flask(__name__)
    app.config["UNIGATE_PLATFORM"] = "cloudflare"
    app.config["UNIGATE_MOUNTS"] = {"/old": lambda environ, start_response: 1 // 0}
    Unigate(app)

    @app.get("/tea")
    def tea():
        flask.g.setdefault("count", 0)
        flask.g.count += 1
        country = flask.request.geolocation["country"]
        return f"{name} {flask.request.unigate.source} {flask.g.count} {country}"

    @app.get("/broken")
    def broken():
        return 1 // 0

    return app
"""
NAMED = """
site = create_app("site")
gateway = site.extensions["unigate"].gateway
"""
BARE = """
import flask
bare = flask.Flask(__name__)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP + NAMED)
    (tmp_path / "factory.py").write_text(SHOP)
    (tmp_path / "bare.py").write_text(BARE)
    (tmp_path / "requirements.txt").write_text("flask\n")
    return tmp_path


def command(app: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "flask", "--app", app, *arguments]


def flask(folder: Path, app: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(app, *arguments), cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("app", ["shop:site", "factory:create_app('site')"])
def test_invoke_calls_the_gateway_with_its_settings(folder: Path, app: str) -> None:
    options = ("--as", "alb", "--path", "/tea", "--header", "cf-ipcountry: NL", "--repeat", "2")

    done = flask(folder, app, "unigate", "invoke", *options)

    assert done.returncode == 0, done.stderr
    # Each request has its own application context, so its count is 1.
    assert json.loads(done.stdout)["body"] == "site alb 1 NL"
    assert "median of 2" in done.stderr


@pytest.mark.parametrize("app", ["shop:site", "factory:create_app('site')"])
def test_the_exit_code_is_that_of_the_command(folder: Path, app: str) -> None:
    done = flask(folder, app, "unigate", "invoke", "--path", "/broken")

    assert done.returncode == 1
    assert json.loads(done.stdout)["statusCode"] == 500
    assert flask(folder, app, "unigate", "invoke", "--as", "pigeon").returncode == 2


def test_routes_lists_the_routes_of_the_application(folder: Path) -> None:
    done = flask(folder, "shop:site", "unigate", "routes", "--json")

    assert done.returncode == 0, done.stderr
    assert {"/tea", "/broken"} <= {route["path"] for route in json.loads(done.stdout)}


def test_build_imports_the_gateway_by_its_name(folder: Path) -> None:
    done = flask(folder, "shop:site", "unigate", "build", "--target", "google", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "from shop import gateway" in done.stdout


@pytest.mark.parametrize("app", ["factory:create_app('x')", "factory.py:create_app('x')"])
def test_build_says_where_the_gateway_of_a_factory_must_be(folder: Path, app: str) -> None:
    done = flask(folder, app, "unigate", "build", "--target", "google")

    assert done.returncode == 1
    advice = re.search(r"such as wsgi\.py: (.*)\. Then run: (.*)", done.stderr)
    assert advice, done.stderr
    (folder / "wsgi.py").write_text(advice[1].replace("; ", "\n"))
    assert advice[2] == "flask --app wsgi unigate build"
    done = flask(folder, "wsgi", "unigate", "build", "--target", "google", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "from wsgi import gateway" in done.stdout


def test_build_says_where_the_gateway_of_a_module_must_be(folder: Path) -> None:
    (folder / "shop.py").write_text(SHOP + 'site = create_app("site")')
    done = flask(folder, "shop", "unigate", "build", "--target", "google")

    assert done.returncode == 1
    advice = re.search(r"Add to 'shop': (.*)", done.stderr)
    assert advice, done.stderr
    (folder / "shop.py").write_text(f'{SHOP}site = create_app("site")\n{advice[1]}')
    done = flask(folder, "shop", "unigate", "build", "--target", "google", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "from shop import gateway" in done.stdout


@pytest.mark.parametrize("module", ["factory", "main"])
def test_a_gateway_around_the_factory_is_that_of_its_application(folder: Path, module: str) -> None:
    made = SHOP.replace("(name)", "(name='made')")
    wrapped = '\nimport unigate\nall_of_it = unigate.wrap("factory:create_app")\n'
    (folder / "factory.py").write_text(made)
    with (folder / f"{module}.py").open("a") as file:
        file.write(f"from factory import create_app\n{wrapped}" if module == "main" else wrapped)

    done = flask(folder, module, "unigate", "build", "--target", "google", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert f"from {module} import all_of_it" in done.stdout


def test_another_application_of_the_module_is_not_taken_for_the_factorys(folder: Path) -> None:
    other = 'import unigate\nadmin = create_app("admin")\nother = unigate.wrap(admin)\n'
    (folder / "factory.py").write_text(SHOP + other)

    done = flask(folder, "factory:create_app('x')", "unigate", "invoke", "--path", "/tea")

    assert json.loads(done.stdout)["body"].startswith("x "), done.stderr


def test_another_application_can_be_named(folder: Path) -> None:
    done = flask(folder, "factory:create_app('x')", "unigate", "invoke", "shop:site", "--path=/tea")

    assert json.loads(done.stdout)["body"].startswith("site "), done.stderr


def test_help_is_that_of_unigate(folder: Path) -> None:
    whole = flask(folder, "shop:site", "unigate")
    flag = flask(folder, "shop:site", "unigate", "--help")
    single = flask(folder, "shop:site", "unigate", "invoke", "--help")

    assert whole.returncode == flag.returncode == single.returncode == 0
    assert whole.stdout == flag.stdout
    assert whole.stdout.startswith("Usage: flask unigate "), whole.stdout
    assert "Example: flask unigate dev\n" in whole.stdout
    for name in ("build", "check", "dev", "invoke", "routes"):
        assert re.search(rf"^  {name} ", whole.stdout, re.MULTILINE), whole.stdout
    assert "--repeat" in single.stdout


def test_flask_lists_the_command_without_loading_the_program(folder: Path) -> None:
    done = flask(folder, "shop:site", "--help")
    assert re.search(r"^  unigate +Run `unigate dev`", done.stdout, re.MULTILINE), done.stdout

    code = "import shop, sys; print('unigate.cli' in sys.modules, 'cachelib' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert loaded.stdout == "False False\n", loaded.stderr


def test_an_application_without_the_extension_has_no_such_command(folder: Path) -> None:
    done = flask(folder, "bare:bare", "unigate", "routes")

    assert done.returncode == 2
    assert "No such command 'unigate'" in done.stderr


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("app", ["shop:site", "factory:create_app('site')"])
def test_dev_serves_the_gateway_and_starts_again_on_a_change(folder: Path, app: str) -> None:
    arguments = ("unigate", "dev", "--as", "rest_api", "--port", "0")
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command(app, *arguments), cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            match = re.search(r"on (http://\S+)", server.stdout.readline())
            assert match is not None
            url = f"{match[1]}/tea"
            assert [read(url), read(url)] == ["site rest_api 1 None"] * 2
            for name in ("shop.py", "factory.py"):
                file = folder / name
                file.write_text(file.read_text().replace('f"{name} ', 'f"new {name} '))
            until(lambda: read(url) == "new site rest_api 1 None")
        finally:
            server.terminate()
            try:
                server.wait(SECONDS)
            finally:
                server.kill()


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        text: str = response.read().decode()
        return text


# An application in a package, and the gateway as README has it, in the module that is deployed.
SITE = """
import flask
from flask_unigate import Unigate

site = flask.Flask(__name__)
gateway = Unigate(site).gateway

@site.get("/tea")
def tea():
    return "tea"
"""
DEPLOYED = """
import fastapi
import unigate
from shop.site import gateway, site

api = fastapi.FastAPI()
api.get("/milk")(lambda: "milk")
other = unigate.wrap(api)
app = unigate.wrap({root}, mounts={{"/v2": api}})
"""


@pytest.mark.parametrize("root", ["site", "gateway"])
def test_the_modules_own_gateway_comes_before_the_extensions(tmp_path: Path, root: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "site.py").write_text(SITE)
    (tmp_path / "main.py").write_text(DEPLOYED.format(root=root))

    for path, body in (("/tea", "tea"), ("/v2/milk", '"milk"')):
        done = flask(tmp_path, "main:site", "unigate", "invoke", "--path", path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["body"] == body
    built = flask(tmp_path, "main:site", "unigate", "build", "--target", "google", "--dry-run")
    assert "from main import app" in built.stdout, built.stderr
    alone = flask(tmp_path, "shop.site:site", "unigate", "routes")
    assert "/milk" not in alone.stdout
    assert "/tea" in alone.stdout
