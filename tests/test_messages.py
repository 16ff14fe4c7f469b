"""Plausible mistakes and the messages that they get, at each door that they come through."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi
import flask
import mangum
import pytest
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

import unigate
from django_unigate import conf
from flask_unigate import Unigate
from tests.apps import plain
from unigate import UnigateError
from unigate.background import around_work
from unigate.cache import RuntimeCache
from unigate.cli.main import main
from unigate.import_strings import applications_in, suggestion
from unigate.lambda_runtime import handlers, on_snapshot
from unigate.lambda_runtime.errors import TypedError
from unigate.testing import Client
from unigate.vercel_env import get_env

EVENT = {"path": "/", "httpMethod": "GET", "headers": {}, "requestContext": {"elb": {}}}
site = flask.Flask("shop")
api = fastapi.FastAPI()


# --- arguments of wrap ----------------------------------------------------------------------------


def handler(event: Any, context: Any) -> None: ...


def create_app(config: Any) -> None: ...


def create_site(config: Any, debug: bool) -> None: ...


def three(one: Any, two: Any, three: Any) -> None: ...


def create_nothing() -> None: ...


async def mangum_handler() -> Any:
    return mangum.Mangum(api)


def on_event_without_a_kind() -> None:
    app: Any = unigate.wrap(site)

    @app.on_event
    def tidy(event: Any, context: Any) -> None: ...


def view() -> str:
    return "<h1>Hello</h1>"


resolver = APIGatewayRestResolver()
wrap: Any = unigate.wrap
env: Any = get_env
around: Any = around_work
snapshot: Any = on_snapshot
cache: Any = RuntimeCache(backend="memory://messages")
MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "two applications": (lambda: wrap(site, api), 'wrap(application, mounts={"/v2": other})'),
    "mounts without a keyword": (lambda: wrap(site, {"/v2": api}), "mounts={...}"),
    "None": (lambda: wrap(None), "got None. If a factory or a decorator made"),
    "a mount is None": (lambda: wrap(mounts={"/v2": None}), "mounts['/v2']: The application is"),
    "a list of mounts": (lambda: wrap(mounts=[("/v2", api)]), 'as in {"/v2": app}, got [('),
    "mounts, reversed": (lambda: wrap(mounts={api: "/v2"}), 'mounts={"/v2": app}'),
    "a mount without /": (lambda: wrap(mounts={"v2/": api}), "Did you mean '/v2'?"),
    "a mount at the root": (lambda: wrap(mounts={"/": api}), "the first argument of wrap()"),
    "an option, misspelt": (lambda: wrap(site, mount={}), "did you mean mounts=...?"),
    "an option, elsewhere": (lambda: wrap(site, strip_stage_path=True), 'write stage="strip"'),
    "a value in capitals": (lambda: wrap(site, interface="ASGI"), "Did you mean 'asgi'?"),
    "a value, misspelt": (lambda: wrap(site, on_error="rase"), "Did you mean 'raise'?"),
    "a source, misspelt": (lambda: wrap(site, source="httpapi"), "Did you mean 'http_api'?"),
    "a platform, misspelt": (lambda: wrap(site, platform="cloudfare"), "mean 'cloudflare'?"),
    "a class": (lambda: wrap(flask.Flask), "an instance of it: app = Flask(...), wrap(app)"),
    "a module": (lambda: wrap(flask), "Pass the application in it"),
    "a list": (lambda: wrap([site]), "list object cannot be called"),
    "a handler": (lambda: wrap(handler), "Pass the application that it calls."),
    "a factory with an argument": (lambda: wrap(create_app), "returns: wrap(create_app(...))"),
    "a factory with two": (lambda: wrap(create_site), "returns: wrap(create_site(...))"),
    "a function with three": (lambda: wrap(three), "called with (one: 'Any', two: 'Any', "),
    "a factory of nothing": (lambda: wrap(create_nothing), "`return` is missing"),
    "a cache, misspelt": (
        lambda: wrap(site, cache="redsi://:secret@h"),
        "got redsi://. Did you mean redis://...?",
    ),
    "a cache without a scheme": (
        lambda: wrap(site, cache="localhost:6379"),
        "got no scheme. Did you mean redis://...?",
    ),
    "a cache by its name": (lambda: wrap(site, cache="memory"), "Did you mean memory://...?"),
    "Vercel's cache": (lambda: wrap(site, cache="vercel"), "Vercel's own cache has no URL"),
    "a cache's address": (lambda: wrap(site, cache="h.example.com"), "Did you mean redis://"),
    "a cache with one slash": (lambda: wrap(site, cache="redis:/h"), "Did you mean redis://"),
    "a cache as a cache": (lambda: wrap(site, cache=RuntimeCache()), "pass what it was made with"),
    "seconds without ttl": (lambda: cache.set("k", "v", 60), "a keyword: ttl=60."),
    "a name of a variable": (lambda: env("VERCEL_ENV"), "get_env()['VERCEL_ENV']"),
    "a hook that is none": (lambda: snapshot(5), "on_snapshot() takes a function without"),
    "a wrapper that is none": (lambda: around(None), "around_work() takes a function, got"),
    "an application by name": (lambda: wrap(app=site), "pass it first, without a name"),
    "a mount with a parameter": (lambda: wrap(mounts={"/v2/{id}": api}), "without parameters"),
    "a mount with a star": (lambda: wrap(mounts={"/v2/*": api}), "without parameters"),
    "a mount as a URL": (lambda: wrap(mounts={"https://h/v2": api}), "Did you mean '/v2'?"),
    "a stage by its name": (lambda: wrap(site, stage="prod"), "The name of the stage is in each"),
    "a blueprint": (lambda: wrap(flask.Blueprint("a", "a")), "such as a blueprint"),
    "a view": (lambda: wrap(view), "view was called as a factory. The str object cannot be called"),
    "a framework of its own": (lambda: wrap(resolver), "It calls none: its views move to Flask, "),
    "a cache over HTTP": (lambda: wrap(site, cache="https://h.upstash.io"), "redis:// address"),
    "a kind is missing": (on_event_without_a_kind, 'write @app.on_event("sqs") above tests.'),
    "a kind, misspelt": (lambda: wrap(site).on_event("sqqs"), "Did you mean 'sqs'?"),
    "a kind of a server": (lambda: wrap(site).on_event("startup"), "lifespan of an ASGI"),
    "a kind of AWS's console": (lambda: wrap(site).on_event("queue"), "Did you mean 'sqs'?"),
    "a filter that is a setting": (
        lambda: wrap(site).on_event("sqs", batch_size=5),
        "[tool.unigate.aws.events]",
    ),
    "a filter as Chalice has it": (
        lambda: wrap(site).on_event("sqs", queue_arn="arn:aws:sqs:a:1:b"),
        "A filter takes an ARN in place of a name.",
    ),
    "a command": (lambda: wrap(site)({"manage": "x"}, None), "or flask_unigate.manage(site)."),
    "Zappa's command": (lambda: wrap(site)({"command": "a.b"}, None), '{"manage": "..."} and no'),
    "a client's source": (lambda: Client(wrap(site), "restapi"), "Did you mean 'rest_api'?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_a_message_that_says_what_to_do(mistake: str) -> None:
    make, expected = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError, UnigateError), match=re.escape(expected)) as caught:
        make()
    assert "secret" not in str(caught.value)


def test_the_handler_of_another_gateway_is_named_with_its_application() -> None:
    from asyncio import run

    with pytest.raises(unigate.UnknownInterface, match=r"Mangum object.*its attribute 'app'\.$"):
        wrap(run(mangum_handler()))


@pytest.mark.parametrize(
    "application",
    [
        lambda e, s: plain.wsgi_app(e, s),
        lambda a, b: plain.wsgi_app(a, b),
        lambda a, b, c: plain.asgi_app(a, b, c),
    ],
)
def test_an_application_may_name_its_parameters_as_it_likes(application: Any) -> None:
    assert wrap(application)(EVENT, None)["statusCode"] == 200


def test_initials_name_the_parameters_of_an_application() -> None:
    def of_wsgi(e: Any, s: Any) -> Any:
        return plain.wsgi_app(e, s)

    def of_asgi(s: Any, r: Any, send_: Any) -> Any:
        return plain.asgi_app(s, r, send_)

    for application in (of_wsgi, of_asgi):
        assert wrap(application)(EVENT, None)["statusCode"] == 200


def returns_nothing(environ: Any, start_response: Any) -> None:
    start_response("200 OK", [])


@pytest.mark.parametrize("mounted", [False, True])
def test_an_application_that_returns_nothing_is_told_of_its_return(
    mounted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = wrap(mounts={"/v2": returns_nothing}) if mounted else wrap(returns_nothing)
    assert app({**EVENT, "path": "/v2"}, None)["statusCode"] == 500
    assert 'bytes, such as [b"..."], got None. Is `return` missing in it' in caplog.text


# --- import strings -------------------------------------------------------------------------------

SHOP = """
import flask
import unigate

wares = 7
site = flask.Flask(__name__)
app = unigate.wrap(site)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with modules that no other test imports, which is the current folder."""
    (tmp_path / "teashop.py").write_text(SHOP)
    (tmp_path / "teasrc").mkdir()
    (tmp_path / "teasrc" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "teasrc" / "server.py").write_text(SHOP)
    (tmp_path / "teafail.py").write_text("import os\n\nos.environ['TEA_SECRET']\n")
    (tmp_path / "teaneeds.py").write_text("import a_driver_that_is_not_installed\n")
    (tmp_path / "teaexit.py").write_text("import sys\n\nsys.exit('no tea')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("tea")]:
        del sys.modules[name]


def through_wrap(target: str) -> None:
    unigate.wrap(target)(EVENT, None)


def through_a_mount(target: str) -> None:
    unigate.wrap(site, mounts={"/v2": target}).load()


def through_flask(target: str) -> None:
    app = flask.Flask("shop")
    app.config["UNIGATE_MOUNTS"] = {"/v2": target}
    Unigate(app).gateway.load()


def through_the_client(target: str) -> None:
    Client(target)


IMPORTERS = [through_wrap, through_a_mount, through_flask, through_the_client]
# What is written, and the import string that is offered.
STRINGS = {
    "teashop": "teashop:app",
    "teashop:": "teashop:app",
    "teashop.app": "teashop:app",
    "teashop.site": "teashop:site",
    "teashop.py": "teashop:app",
    "teashop.py:site": "teashop:site",
    "./teashop.py": "teashop:app",
    "teashop:ap": "teashop:app",
    "teashop:app()": "teashop:app",
    "teashop:application": "teashop:app",
    "taeshop:app": "teashop:app",
    "teasrc/server.py": "teasrc.server:app",
    "teasrc\\server.py": "teasrc.server:app",
    "teasrc/server:site": "teasrc.server:site",
    "teasrc.server": "teasrc.server:app",
}


@pytest.mark.parametrize("importer", IMPORTERS)
@pytest.mark.parametrize("target", STRINGS)
def test_an_import_string_that_leads_nowhere_gets_the_one_that_was_meant(
    target: str, importer: Callable[[str], None], folder: Path
) -> None:
    with pytest.raises(ImportError) as caught:
        importer(target)
    message = str(caught.value)
    assert message.startswith(f"{target!r} cannot be loaded: ")
    assert message.endswith(f'Did you mean "{STRINGS[target]}"?')


@pytest.mark.parametrize("target", STRINGS)
def test_the_command_line_says_it_in_one_line(
    target: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", target]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"unigate: {target!r} cannot be loaded: ")
    assert line.endswith(f'Did you mean "{STRINGS[target]}"?')


@pytest.mark.parametrize("command", ["build", "check", "dev", "invoke"])
def test_every_command_offers_what_was_meant(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"build": ["--target", "google"], "dev": ["--no-reload", "--port", "0"]}
    assert main([command, "teashop.py", *options.get(command, [])]) == 2
    assert 'Did you mean "teashop:app"?' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("teashop", "teashop.app"),
        ("teashop.py", "teashop.app"),
        ("teashop.ap", "teashop.app"),
        ("taeshop.app", "teashop.app"),
        ("teasrc/server.py", "teasrc.server.app"),
    ],
)
def test_the_lambda_runtime_offers_the_handler_that_was_meant(
    target: str, meant: str, folder: Path
) -> None:
    (folder / "teasrc" / "__init__.py").write_text("")
    with pytest.raises(TypedError) as caught:
        handlers.load(target)
    assert str(caught.value).endswith(f"Did you mean {meant!r}?")


def test_djangos_setting_offers_the_import_string_that_was_meant(folder: Path) -> None:
    with (
        override_settings(UNIGATE={"APPLICATION": "teashop.app"}),
        pytest.raises(ImproperlyConfigured, match="Did you mean 'teashop:app'"),
    ):
        conf.read()


def test_a_module_in_a_folder_that_is_not_searched_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "teahouse.py").write_text(SHOP)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    with pytest.raises(ImportError, match=r"in the current folder, which is not on sys\.path: run"):
        through_wrap("teahouse:app")
    with pytest.raises(ImportError, match=f"It was looked for in {folder} and the rest"):
        through_wrap("nothing_like_it:app")


def test_a_suggestion_imports_nothing(folder: Path) -> None:
    assert suggestion("teasrc.server") == "teasrc.server:app"
    assert "teasrc" not in sys.modules


@pytest.mark.parametrize("target", ["", ":app", "nothing_like_it:app", "teashop.a.b.c", "te\\..py"])
def test_without_a_likely_one_nothing_is_offered(target: str, folder: Path) -> None:
    (folder / "teashop.py").write_text("def :")
    assert suggestion(target) is None
    with pytest.raises(ImportError, match="cannot be loaded"):
        through_wrap(target)


def test_the_likeliest_application_comes_first(tmp_path: Path) -> None:
    source = """
import api
from shop import application
from django.core.wsgi import get_wsgi_application

number = 7
inner: object = get_wsgi_application()
site, other = make(), make()
gate = unigate.wrap(inner)
def create_app(): ...
"""
    (tmp_path / "file.py").write_text(source)
    found = applications_in(str(tmp_path / "file.py"))
    assert found == ["gate", "application", "inner", "create_app"]
    assert applications_in(str(tmp_path / "absent.py")) == []


@pytest.mark.parametrize(
    ("target", "problem", "last"),
    [
        ("teafail:app", "KeyError: 'TEA_SECRET'", "KeyError: 'TEA_SECRET'"),
        (
            "teaneeds:app",
            "it imports 'a_driver_that_is_not_installed', which is not installed",
            "ModuleNotFoundError: No module named 'a_driver_that_is_not_installed'",
        ),
        ("teaexit:app", "importing it ends the process (SystemExit: no tea).", "SystemExit: no"),
    ],
)
def test_a_module_that_fails_is_told_from_one_that_does_not_exist(
    target: str, problem: str, last: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", target]) == 2
    *trace, error, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"unigate: {target!r} cannot be loaded: {problem}")
    assert error.startswith(last)
    # Its own lines, without those of this library and of importlib.
    assert trace[0] == "Traceback (most recent call last):"
    assert f"{target.partition(':')[0]}.py" in trace[1]
    assert not any("importlib" in row or "interfaces.py" in row for row in trace)


@pytest.mark.parametrize("importer", [through_wrap, through_flask, through_the_client])
def test_what_a_module_raises_stays_what_it_is(
    importer: Callable[[str], None], folder: Path
) -> None:
    with pytest.raises(KeyError, match="TEA_SECRET"):
        importer("teafail:app")
    with pytest.raises(ModuleNotFoundError) as caught:
        importer("teaneeds:app")
    assert caught.value.name == "a_driver_that_is_not_installed"


# --- a file named like the library ----------------------------------------------------------------


def test_a_file_named_like_the_library_is_found_by_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "teashop:app"]) == 1
    assert "in place of the library" not in capsys.readouterr().out
    (folder / "unigate.py").write_text(SHOP)
    assert main(["check", "teashop:app"]) == 1
    assert "unigate.py: Servers import it in place of the library" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["unigate:app", "unigate.py"])
def test_the_command_line_says_that_the_file_is_hidden(
    target: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "unigate.py").write_text(SHOP)
    assert main(["routes", target]) == 2
    assert "A file of yours with that name is hidden by it: rename" in capsys.readouterr().err


# --- the command line -----------------------------------------------------------------------------

COMMANDS = {
    "serve teashop:app": "There is no command 'serve': did you mean 'dev'?",
    "buidl": "There is no command 'buidl': did you mean 'build'?",
    "xyzzy": "use one of build, check, dev, invoke, routes.",
    "teashop:app": "A command comes before the application: unigate dev teashop:app",
    "build teashop:app": "unigate build teashop:app --target aws.",
    "build aws": "unigate build MODULE:APP --target aws.",
    "build google": "unigate build MODULE:APP --target google.",
    "build teashop:app --target lambda": "Did you mean --target aws?",
    "build teashop:app --target Vercel": "Did you mean --target vercel?",
    "build teashop:app --target heroku": "vercel, aws, google, azure, container, got 'heroku'.",
    "build --target teashop:app": "unigate build teashop:app --target aws.",
    "dev": "Missing argument 'MODULE:APP'.",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_wrong_command_line_gets_the_right_one(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    [message] = capsys.readouterr().err.splitlines()
    assert COMMANDS[line] in message


def test_without_its_extra_the_program_names_it() -> None:
    program = (
        "import sys; sys.modules['click'] = None; from unigate.cli.main import main; "
        "sys.exit(main(['dev', 'teashop:app']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == ('unigate: The command line is an extra: pip install "unigate[cli]"\n')


# --- the plugins ----------------------------------------------------------------------------------


def test_a_misspelt_setting_of_a_plugin_gets_the_right_one() -> None:
    app = flask.Flask("shop")
    app.config["UNIGATE_MOUNT"] = {}
    with pytest.raises(ValueError, match=r"Did you mean 'UNIGATE_MOUNTS'\?"):
        Unigate(app)
    with (
        override_settings(UNIGATE={"APLICATION": "teashop:app"}),
        pytest.raises(ImproperlyConfigured, match=r"Did you mean 'APPLICATION'\?"),
    ):
        conf.read()


def test_a_cache_without_its_package_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['redis'] = None; import unigate; "
        "unigate.wrap(lambda environ, start: [], cache='redis://localhost')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines()[-1].endswith('redis-py: pip install "unigate[redis]"')
