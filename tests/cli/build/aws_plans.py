"""What a dry run of `unigate build --target aws` prints, as files and notes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.projects import GATEWAY, write
from unigate.cli.main import main


class Plan:
    """The text of each file by its name, and the notes."""

    def __init__(self, printed: str) -> None:
        self.texts = {
            Path(name).name: textwrap.dedent(text)
            for name, text in re.findall(
                r"^(\S+):\n((?:    .*\n|\n(?=    |\n))+)", printed, re.MULTILINE
            )
        }
        self.notes = printed.rpartition("\n\n")[2]

    @property
    def template(self) -> Any:
        return yaml.safe_load(self.texts["template.yaml"])

    @property
    def properties(self) -> Any:
        return self.template["Resources"]["Function"]["Properties"]

    @property
    def events(self) -> Any:
        """The events of the function that are not from the HTTP API."""
        events = self.properties["Events"]
        return {name: event for name, event in events.items() if name != "EveryRequest"}


class Planner:
    """Runs dry runs of a project in the current folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys

    def plan(
        self, settings: str = "", functions: str = "", *options: str, limits: str = ""
    ) -> Plan:
        status, out, err = self._run(settings, functions, options, limits)
        assert status == 0, err
        return Plan(out)

    def refusal(self, settings: str = "", functions: str = "", *options: str) -> str:
        status, _, err = self._run(settings, functions, options)
        assert status == 2
        return err

    def _run(
        self, settings: str, functions: str, options: tuple[str, ...], limits: str = ""
    ) -> tuple[int, str, str]:
        text = f'[tool.unigate]\npython = "3.13"\n{limits}\n[tool.unigate.aws]\n{settings}\n'
        write(self._folder, {"pyproject.toml": text, "main.py": f"{GATEWAY}\n{functions}"})
        status = main(["build", "main:app", "--target", "aws", "--dry-run", *options])
        return status, *self._capsys.readouterr()


def on_event(*arguments: str) -> str:
    """Return source that registers a function for each of the arguments."""
    return "\n".join(
        f"@app.on_event({one})\ndef function_{number}(event, context): ...\n"
        for number, one in enumerate(arguments)
    )
