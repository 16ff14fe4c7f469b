"""Every block of the README does what it says."""

from __future__ import annotations

import json
import logging
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.test import override_settings

import unigate
from tests.hosts import HOSTS
from tests.samples import load
from unigate import Headers, Request
from unigate.events import azure, filters, google, kinds, name_of
from unigate.events.detection import all_sources

SOURCES = tuple(dict.fromkeys(all_sources().values()))

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.removeprefix("$ ")
    for language, code in BLOCKS
    if language == "console"
    for line in code.splitlines()
]

pytestmark = pytest.mark.usefixtures("_project")


@pytest.fixture
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder that holds the README's main.py, and a Django project."""
    (tmp_path / "main.py").write_text(PYTHON[0])
    (tmp_path / "shop.py").write_text(PYTHON[0])
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "wsgi.py").write_text(
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("main", "shop", "mysite", "mysite.wsgi"):
        sys.modules.pop(name, None)


def run(block: int) -> dict[str, Any]:
    """Run a Python block as a separate module and return its names."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(PYTHON[block], f"README block {block}", "exec"), names)
    return names


def block_with(text: str) -> int:
    """Return the number of the one Python block that has a text."""
    (block,) = (number for number, code in enumerate(PYTHON) if text in code)
    return block


def get(app: unigate.Gateway, path: bytes) -> tuple[int, str]:
    response = HOSTS["http_api"](app, Request("GET", path, client=("203.0.113.7", 0)))
    return response.status, response.body.decode()


def test_every_block_is_tested_here() -> None:
    assert [language for language, _ in BLOCKS if language not in ("python", "console")] == []
    assert (len(PYTHON), len(COMMANDS)) == (15, 6)


def test_main_answers() -> None:
    app = run(0)["app"]
    assert "GET /, received via http_api" in get(app, b"/")[1]
    assert '"greeting":"started once per process"' in get(app, b"/v2/users/ada")[1]


def test_testing() -> None:
    names = run(1)
    names["test_home"]()
    names["test_user"]()


@pytest.mark.parametrize("command", COMMANDS[2:4])
def test_invoke_calls_main(command: str) -> None:
    Path("event.json").write_text(json.dumps(load("http_api/get") | {"rawPath": "/"}))
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["statusCode"] == 200


def test_non_http_events(capsys: pytest.CaptureFixture[str]) -> None:
    app = run(2)["app"]
    queue = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders"}
    bodies = {"a": '{"number": 7}', "b": ""}
    records = [{**queue, "messageId": name, "body": body} for name, body in bodies.items()]
    reply = app.lambda_handler({"Records": records}, None)
    assert reply == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert capsys.readouterr().out == "order 7\n"
    assert app.lambda_handler(load("not_http/schedule"), None) == "tidied"


def test_decorators_of_lambda_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    app = run(10)["app"]
    assert "GET /, received via http_api" in get(app, b"/")[1]
    assert capsys.readouterr().out == "an event\n"
    names = run(11)
    event = load("http_api/get") | {"rawPath": "/"}
    assert names["handler"](event, None)["statusCode"] == 200


def test_google_and_azure() -> None:
    request = Request("GET", b"/", headers=Headers([("host", "example.org")]))
    for block, source in ((12, google), (13, azure)):
        main = run(block)["main"]
        user_function = getattr(main, "_function", None)
        call = user_function.get_user_function() if user_function else main
        event = source.make_event(request)
        reply = call(event, None) if user_function else call(event)
        assert f"received via {name_of(source)}" in source.from_reply(reply).body.decode()


def test_every_source_is_in_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {name_of(source) for source in SOURCES} <= set(rows)


def test_every_kind_of_event_is_named() -> None:
    text = (ROOT / "README.md").read_text()
    assert all(f"`{kind}`" in text for kind in kinds.NAMES)
    for kind, names in filters.FILTERS.items():
        row = re.search(rf"`{kind}`[^|]*\| ([^|]*) \|", text)
        assert row is not None
        assert row[1] == ", ".join(f"`{name}`" for name in sorted(names))


def test_mixing_applications() -> None:
    app = run(3)["app"]
    assert get(app, b"/legacy/x") == (200, "/legacy")
    assert get(app, b"/v2/users/ada")[0] == 200
    assert get(app, b"/v20")[0] == 404


def test_a_middleware_drops_a_field() -> None:
    response = HOSTS["rest_api"](run(4)["app"], Request("GET", b"/"))
    assert response.headers.pairs == [("content-type", "text/plain")]


def test_geolocation_cache_and_background_work(capsys: pytest.CaptureFixture[str]) -> None:
    app = run(5)["app"]
    headers = Headers([("host", "h"), ("cf-ipcountry", "NL"), ("cf-connecting-ip", "203.0.113.8")])
    reply = HOSTS["alb"](app, Request("GET", b"/nearest", headers=headers))
    assert json.loads(reply.body) == {"shops in": "NL", "flag": "🇳🇱"}
    assert capsys.readouterr().out == "request from 203.0.113.8\n"


def test_locks_and_counters() -> None:
    send_report = run(block_with("cache.lock"))["send_report"]
    assert [send_report(), send_report()] == [1, 2]


def test_log_records_have_the_identifier_of_the_request() -> None:
    handler = run(block_with("RequestIDFilter"))["handler"]
    logging.getLogger().removeHandler(handler)
    record = logging.makeLogRecord({"msg": "late", "levelname": "INFO"})
    assert handler.filter(record)
    assert handler.format(record) == "INFO - late"


def test_flask() -> None:
    assert '"client":["203.0.113.7",0]' in get(run(7)["app"], b"/whoami")[1]


def test_django() -> None:
    middleware = run(8)["MIDDLEWARE"]
    django.setup()
    with override_settings(MIDDLEWARE=middleware):
        assert get(run(9)["app"], b"/hello")[0] == 200


def test_install_names_extras_that_exist() -> None:
    command = shlex.split(COMMANDS[0])
    assert command[:2] == ["pip", "install"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for requirement in command[2:]:
        for extra in re.findall(r"\[(.*?)\]", requirement):
            assert extra in extras


@pytest.mark.usefixtures("bounded")
def test_dev_serves_main() -> None:
    command = [sys.executable, "-m", *shlex.split(COMMANDS[1]), "--port", "0", "--no-reload"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(url, timeout=20) as response:
                assert b"received via http_api" in response.read()
        finally:
            server.terminate()


@pytest.mark.parametrize("command", COMMANDS[4:])
def test_make_has_the_targets(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "unigate dev example_flask" in done.stdout or "pytest" in done.stdout
