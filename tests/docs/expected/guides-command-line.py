from __future__ import annotations

import json
import shlex
from pathlib import Path

import main
import pytest

from tests.docs.pages import DOCS, commands
from unigate.cli.main import main as unigate
from unigate.testing import Client

COMMANDS = commands(DOCS / "guides/command-line.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_succeed(command: str) -> None:
    Path("event.json").write_text(json.dumps(Client(main.app).get("/").event))
    program, *arguments = shlex.split(command)
    assert program == "unigate"
    assert unigate(arguments) == 0
