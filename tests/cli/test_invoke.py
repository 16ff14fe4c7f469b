"""`unigate invoke`: its output and its exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unigate.cli.main import main
from unigate.emulator import EVENT_SOURCES

ROOT = Path(__file__).resolve().parents[2]

APPLICATION = """
import json
import logging
import sys

import unigate
from unigate.logging import RequestIDFilter

print("imported")
calls = []


def site(environ, start_response):
    request = environ["unigate.request"]
    path = environ["PATH_INFO"]
    calls.append(path)
    print("asked")
    if path == "/boom":
        raise ValueError("the kettle is empty")
    if path == "/exit":
        sys.exit("done for today")
    status = path[1:] if path[1:].isdigit() else "200"
    event = request.event
    if "touched" in event:
        print("This event was seen before.")
    event["touched"] = True
    start_response(status + " Whatever", [("Content-Type", "application/json")])
    facts = {
        "source": request.source,
        "method": request.method,
        "path": request.path,
        "query": request.query_string.decode(),
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "replace"),
        "context": request.context.function_name,
        "calls": len(calls),
    }
    return [json.dumps(facts, ensure_ascii=False).encode()]


app = unigate.wrap(site)
handling = unigate.wrap(site)
handling.on_event("sqs")(lambda event, context: {"by": context.function_name})


@handling.on_event("sns")
async def tell(event, context):
    record = logging.makeLogRecord({})
    RequestIDFilter(default="none").filter(record)
    return {"same": record.request_id == context.aws_request_id}


raising = unigate.wrap(site, on_error="raise")


class Odd(unigate.Gateway):
    def lambda_handler(self, event, context=None):
        return {"text": "\\ud83d, \\ud800 and é"} if event["path"] == "/odd" else {"body": b"tea"}


odd = Odd(site, source="rest_api")


def handler(event, context):
    reply = app(event, context)
    return {**reply, "headers": {"x-marked": context.function_name}}


async def living(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("down")
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"alive"})


awaited = unigate.wrap(living)
awaited.on_event("sqs")(lambda event, context: print("took"))


async def dry(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no water"})
"""

EVENT = {"httpMethod": "GET", "path": "/tea", "queryStringParameters": "é=ü"}
SQS = {"Records": [{"eventSource": "aws:sqs", "body": "tea"}]}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "teapot.py").write_text(APPLICATION)
    (tmp_path / "notapp.py").write_text("app = 3\n")
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in ("teapot", "notapp"):
        sys.modules.pop(name, None)


def process(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "unigate", "invoke", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, input=stdin, capture_output=True, timeout=60,
    )  # fmt: skip


class Invoked:
    """One run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str) -> None:
        self.code = main(["invoke", *args])
        self.out, self.err = capsys.readouterr()

    @property
    def facts(self) -> Any:
        """What the application received, as it reports."""
        assert self.code == 0, self.err
        return json.loads(json.loads(self.out)["body"])


def test_an_event_from_a_file_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    run = Invoked(capsys, "teapot:app", "--event", "event.json")
    assert run.code == 0
    facts = run.facts
    assert (facts["source"], facts["path"], facts["context"]) == ("generic", "/tea", "local")
    assert run.out.startswith('{\n  "')
    assert json.loads(run.out)["statusCode"] == 200
    assert "é=ü" in run.out
    assert run.err == "imported\nasked\n"


def test_an_event_from_stdin_is_answered_with_only_the_reply_on_stdout() -> None:
    run = process("teapot:app", "--event", "-", stdin=json.dumps(EVENT).encode())
    assert run.returncode == 0
    assert json.loads(json.loads(run.stdout)["body"])["path"] == "/tea"
    assert run.stderr == b"imported\nasked\n"


def test_output_of_a_lifespan_at_exit_goes_to_stderr() -> None:
    run = process("teapot:living")
    assert json.loads(run.stdout)["body"] == "alive"
    assert run.stderr == b"imported\nup\ndown\n"


def test_a_function_for_events_runs_after_the_start_up() -> None:
    run = process("teapot:awaited", "--event", "-", stdin=json.dumps(SQS).encode())
    assert run.stderr == b"imported\nup\ntook\ndown\n"


@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_a_request_becomes_an_event(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--as", source, "--path", "/500?a=1"]
    run = Invoked(capsys, "teapot:app", *args)
    assert run.code == 1
    assert "500" in run.out
    args = ["--as", source, "--path", "/é?a=1", "--method", "put", "--header", "x-a: 1: 2 "]
    reply = json.loads(Invoked(capsys, "teapot:app", *args, "--header", "X-B:3", "--data", "ü").out)
    if "encoding" not in reply:  # the body is there as text
        facts = json.loads(reply["body"])
        assert (facts["source"], facts["method"], facts["path"]) == (source, "PUT", "/é")
        assert (facts["query"], facts["body"]) == ("a=1", "ü")
        assert facts["headers"]["x-a"] == "1: 2"
        assert facts["headers"]["x-b"] == "3"
        assert facts["headers"]["content-length"] == "2"


DJANGO = """
import django.conf
import django.core.wsgi
from django.http import HttpResponse
from django.urls import path

django.conf.settings.configure(DEBUG=True, ROOT_URLCONF="fresh")
urlpatterns = [path("", lambda request: HttpResponse(request.get_host()))]
app = django.core.wsgi.get_wsgi_application()
"""


@pytest.mark.parametrize("source", ["http_api", "function_url", "rest_api", "alb"])
def test_a_new_django_project_accepts_the_request(project: Path, source: str) -> None:
    (project / "fresh.py").write_text(DJANGO)
    run = process("fresh:app", "--as", source)
    assert (run.returncode, json.loads(run.stdout)["body"]) == (0, "localhost"), run.stderr


def test_a_handler_around_a_gateway_is_called_as_lambda_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Invoked(capsys, "teapot:handler", "--path", "/tea")
    assert run.facts["path"] == "/tea"
    assert json.loads(run.out)["headers"] == {"x-marked": "local"}
    run = Invoked(capsys, "teapot:handler", "--path", "/500")
    assert run.code == 1


def test_a_non_http_event_goes_to_its_function(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "sqs.json").write_text(json.dumps(SQS))
    run = Invoked(capsys, "teapot:handling", "--event", "sqs.json")
    assert (run.code, json.loads(run.out)) == (0, {"by": "local"})
    sns = {"Records": [{"EventSource": "aws:sns"}]}
    (project / "sns.json").write_text(json.dumps(sns))
    run = Invoked(capsys, "teapot:handling", "--event", "sns.json")
    assert (run.code, json.loads(run.out)) == (0, {"same": True})


def test_an_event_inside_json_text_is_answered(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "text.json").write_text(json.dumps(json.dumps({**EVENT, "path": "/503"})))
    run = Invoked(capsys, "teapot:app", "--event", "text.json")
    assert (run.code, json.loads(run.out)["statusCode"]) == (1, 503)


def test_the_default_request_is_for_the_root(capsys: pytest.CaptureFixture[str]) -> None:
    facts = Invoked(capsys, "teapot:app").facts
    assert (facts["source"], facts["method"], facts["path"]) == ("http_api", "GET", "/")
    facts = Invoked(capsys, "teapot:app", "--data", "").facts
    assert (facts["method"], facts["body"]) == ("POST", "")


def test_bytes_of_an_argument_are_the_body() -> None:
    run = process("teapot:app", "--data", os.fsdecode(b"\xff\xe9"))
    assert json.loads(json.loads(run.stdout)["body"])["body"] == "��"


@pytest.mark.parametrize(
    ("path", "code"), [("/200", 0), ("/404", 0), ("/499", 0), ("/500", 1), ("/503", 1)]
)
def test_the_exit_code_depends_on_the_status(
    path: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Invoked(capsys, "teapot:app", "--path", path)
    assert run.code == code
    assert json.loads(run.out)["statusCode"] == int(path[1:])


def test_a_logged_failure_is_a_reply_with_status_500(capsys: pytest.CaptureFixture[str]) -> None:
    run = Invoked(capsys, "teapot:app", "--path", "/boom")
    assert (run.code, json.loads(run.out)["statusCode"]) == (1, 500)


@pytest.mark.parametrize(
    ("target", "path", "last"),
    [
        ("teapot:raising", "/boom", "ValueError: the kettle is empty"),
        ("teapot:app", "/exit", "SystemExit: done for today"),
        ("teapot:dry", "/", "unigate.errors.LifespanFailed: The application failed to start: no"),
        ("teapot:odd", "/", "TypeError: Object of type bytes is not JSON serializable"),
    ],
)
def test_a_function_that_crashes_is_shown(
    target: str, path: str, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Invoked(capsys, target, "--as", "generic", "--path", path)
    assert (run.code, run.out) == (1, "")
    assert last in run.err
    assert "unigate/cli" not in run.err


def test_an_unreadable_reply_fails_and_is_still_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Invoked(capsys, "teapot:odd", "--as", "rest_api", "--path", "/odd")
    assert run.code == 1
    assert run.out == '{\n  "text": "\\ud83d, \\ud800 and é"\n}\n'
    assert run.err.splitlines()[-1] == ("The platform cannot read this reply: it would answer 502.")


def test_repeating_prints_the_times(capsys: pytest.CaptureFixture[str]) -> None:
    run = Invoked(capsys, "teapot:app", "--event", "event.json", "--repeat", "3")
    assert run.facts["calls"] == 1
    assert "seen before" not in run.err
    assert run.err.count("asked\n") == 4
    time = r"\d[\d.e+]* ms"
    line = rf"cold {time} \(import {time}, first invocation {time}\), warm {time} \(median of 3\)"
    assert re.fullmatch(line, run.err.splitlines()[-1])


# Errors


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--event", "nowhere.json"], "'nowhere.json': No such file or directory"),
        (["--event", "."], "Is a directory"),
        (["--event", "teapot.py"], "'teapot.py' is not valid JSON: "),
        (["--event", "binary"], "'binary' is not valid JSON: "),
        (["--event", "deep"], "'deep' is not valid JSON: "),
        (["--event", "sqs.json"], "Got an event with the keys 'Records'"),
        (["--event", "list.json"], "Got a list of length 1"),
        (["--event", "event.json", "--path", "/"], "--event contains the whole request"),
        (["--event", "event.json", "--data", ""], "--event contains the whole request"),
        (["--event", "event.json", "--as", "alb"], "--event contains the whole request"),
        (["--event", "event.json", "--method", "GET"], "--event contains the whole request"),
        (["--event", "event.json", "--header", "a: b"], "--event contains the whole request"),
        (["--as", "teapot"], "Invalid value for '--as': 'teapot' is not one of"),
        (["--as", "httpapi"], " Did you mean 'http_api'?"),
        (["--header", "no colon"], "It must be \"name: value\", got 'no colon'."),
        (["--header", ": 1"], "got ': 1'."),
        (
            ["--method", "G ET"],
            "Invalid value for '--method': It must be an HTTP token such as GET, ",
        ),
        (["--method", "GÉT"], "got 'GÉT'."),
        (["--method", "GET\x1b[31m"], "got 'GET\\x1b[31m'."),
        (["--method", "\udcff"], "got '\\udcff'."),
        (["--method", ""], "got ''."),
        (["--repeat", "0"], "Invalid value for '--repeat'"),
    ],
)
def test_an_invalid_event_is_refused_in_one_line(
    args: list[str], problem: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "binary").write_bytes(b"\xff\xfe\xfd")
    (project / "deep").write_text("[" * 100_000)
    (project / "sqs.json").write_text(json.dumps(SQS))
    (project / "list.json").write_text("[1]")
    run = Invoked(capsys, "teapot:app", *args)
    assert (run.code, run.out) == (2, "")
    err = run.err.removeprefix("imported\n")
    assert err.count("\n") == 1, err
    assert err.startswith("unigate")
    assert problem in err


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere:app", "No module named 'nowhere'"),
        ("teapot:tea", "Module 'teapot' has no attribute 'tea'."),
        ("teapot", "is not of the form"),
        ("notapp:app", "int object cannot be called"),
    ],
)
def test_an_invalid_application_is_refused_in_one_line(
    target: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Invoked(capsys, target, "--event", "event.json")
    assert (run.code, run.out) == (2, "")
    err = run.err.removeprefix("imported\n")
    assert err.count("\n") == 1
    assert err.startswith(f"unigate: {target!r} cannot be loaded: ")
    assert problem in err


def test_an_event_source_of_the_application_is_used(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mine.json").write_text(json.dumps({"mine": "/503"}))
    (project / "teapot.py").write_text(
        APPLICATION
        + """
import types
from unigate import Request
from unigate.events import generic

mine = types.SimpleNamespace(**vars(generic))
mine.matches = lambda event: "mine" in event
mine.to_request = lambda event, context: Request("GET", event["mine"].encode(), event=event,
    context=context)
own = unigate.wrap(site, sources=[mine])
"""
    )
    run = Invoked(capsys, "teapot:own", "--event", "mine.json")
    assert (run.code, json.loads(run.out)["statusCode"]) == (1, 503)


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    run = Invoked(capsys, "--help")
    assert "unigate invoke main:app --event event.json" in run.out
