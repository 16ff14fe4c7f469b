"""Commands of Django and Flask that a deployed function runs for an event."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask

import flask_unigate
import unigate
from tests.apps import plain
from tests.cache.concurrency import in_threads
from unigate.events.commands import command_arguments

ROOT = Path(__file__).resolve().parents[2]

COMMAND = """
import sys
from django.core.management.base import BaseCommand, CommandError

class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("what")
        parser.add_argument("--often", type=int, default=1)

    def handle(self, *args, what, often, **options):
        self.stdout.write(self.style.SUCCESS(f"{what} " * often))
        self.stderr.write("and to stderr")
        if what == "print":
            print("printed")
            print("to stderr", file=sys.stderr)
            sys.stdout.write("written")
        if what == "fail":
            raise CommandError("burnt", returncode=3)
        if what == "exit":
            raise SystemExit(4)
        if what == "text":
            raise SystemExit("no gas")
        if what == "raise":
            raise LookupError("no pan")
"""
MAIN = """
import os, sys, json
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django_unigate, unigate
app = unigate.wrap("django_site:application", interface="wsgi")
app.on_event("manage")(django_unigate.manage)
for command in json.loads(sys.argv[1]):
    try:
        print(json.dumps(app({"manage": command}, None)))
    except Exception as error:
        print(json.dumps(repr(error)))
"""


def django(folder: Path, *commands: Any) -> list[Any]:
    """Run commands in a new process, and a new Django project that no request has set up."""
    import json

    package = folder / "kitchen" / "management" / "commands"
    package.mkdir(parents=True)
    for each in (package, package.parent, package.parent.parent):
        (each / "__init__.py").touch()
    (package / "cook.py").write_text(COMMAND)
    (folder / "main.py").write_text(MAIN)
    (folder / "django_site.py").write_text(
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    )
    (folder / "settings.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'kitchen']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "main.py", json.dumps(commands)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT}/contrib"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_django_runs_a_command_and_returns_its_output(tmp_path: Path) -> None:
    cook = "cook soup --often 2"
    migrated, cooked, listed = django(tmp_path, "migrate --noinput", cook, ["cook", "a pie"])
    assert migrated["exit_status"] == 0
    assert "Applying contenttypes.0001_initial... OK" in migrated["output"]
    assert (tmp_path / "db.sqlite3").exists()
    assert cooked == {"output": "soup soup \nand to stderr\n", "exit_status": 0}
    assert listed == {"output": "a pie \nand to stderr\n", "exit_status": 0}


def test_django_returns_the_status_of_a_command_that_fails(tmp_path: Path) -> None:
    failed, exited, text, raised, unknown, wrong = django(
        tmp_path, "cook fail", "cook exit", "cook text", "cook raise", "bake", "cook --fast"
    )
    assert failed["exit_status"] == 3
    assert failed["output"].endswith("and to stderr\nCommandError: burnt\n")
    assert exited == {"output": "exit \nand to stderr\n", "exit_status": 4}
    assert text == {"output": "text \nand to stderr\nno gas\n", "exit_status": 1}
    assert raised == "LookupError('no pan')"  # for the platform to count
    assert unknown["exit_status"] == 1
    assert "Unknown command: 'bake'\nType 'manage.py help' for usage.\n" in unknown["output"]
    assert wrong["exit_status"] == 2
    assert "required: what" in wrong["output"]


def test_django_returns_everything_that_a_command_prints(tmp_path: Path) -> None:
    cooked, shell, helped, all_commands, version, bare_help, checked = django(
        tmp_path,
        "cook print",
        "shell -c 'print(1+1)'",
        "cook --help",
        "help",
        "--version",
        ["help", "cook"],
        "check",
    )
    assert cooked["output"] == "print \nand to stderr\nprinted\nto stderr\nwritten"
    assert shell["output"].splitlines()[-1] == "2"
    assert helped["output"].startswith("usage: manage.py cook [-h]")
    assert bare_help == helped
    assert "Type 'manage.py help <subcommand>' for help" in all_commands["output"]
    assert "cook" in all_commands["output"].split()
    assert version["output"].strip() == metadata.version("django")
    assert checked["output"] == "System check identified no issues (0 silenced).\n"
    outcomes = (cooked, shell, helped, all_commands, version, bare_help, checked)
    assert {outcome["exit_status"] for outcome in outcomes} == {0}


def test_concurrent_commands_leave_the_streams_of_the_process_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each gets its own output, although the process has one `sys.stdout`."""
    site = Flask("kitchen")
    both = threading.Barrier(2)

    @site.cli.command()
    @click.argument("what")
    def cook(what: str) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # both run at the same time only if nothing keeps them apart
        click.echo(what)

    manage = flask_unigate.manage(site)

    def run(number: int) -> str:
        return str(manage({"manage": f"cook {number}"}, None)["output"])

    assert in_threads(run, 2) == ["0\n", "1\n"]
    print("still here")
    assert capsys.readouterr().out == "still here\n"


def flask_app() -> Flask:
    site = Flask("kitchen")

    @site.cli.command()
    @click.argument("what")
    @click.option("--often", type=int, default=1)
    def cook(what: str, often: int) -> None:
        click.echo(f"{what} " * often)
        click.echo("and to stderr", err=True)
        if what == "exit":
            sys.exit(4)
        if what == "raise":
            raise LookupError("no pan")

    return site


def test_flask_runs_a_command_and_returns_its_output() -> None:
    site = flask_app()
    app = unigate.wrap(site)
    app.on_event("manage")(flask_unigate.manage(site))
    cooked = app({"manage": "cook soup --often 2"}, None)
    assert cooked == {"output": "soup soup \nand to stderr\n", "exit_status": 0}
    exited = app({"manage": ["cook", "exit"]}, None)
    assert exited == {"output": "exit \nand to stderr\n", "exit_status": 4}
    assert app({"manage": "routes"}, None)["exit_status"] == 0
    unknown = app({"manage": "bake"}, None)
    assert unknown["exit_status"] == 2
    assert "No such command 'bake'" in unknown["output"]
    assert unknown["output"].startswith("Usage: flask [OPTIONS]")
    assert app({"manage": "cook --help"}, None)["output"].startswith("Usage: flask cook ")
    with pytest.raises(LookupError, match="no pan"):
        app({"manage": "cook raise"}, None)


@pytest.mark.parametrize("command", [None, "", " ", [], {}, 7, [7], ["migrate", None]])
def test_an_event_without_a_command_is_refused(command: Any) -> None:
    with pytest.raises(ValueError, match=r'"manage" must be a command, such as "migrate'):
        command_arguments({"manage": command})


def test_a_command_runs_only_where_it_was_registered() -> None:
    with pytest.raises(unigate.UnknownEvent, match="kind: manage"):
        unigate.wrap(plain.wsgi_app)({"manage": "migrate"}, None)
