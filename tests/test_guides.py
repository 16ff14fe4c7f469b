"""The guides of the plugins, typed as they are printed, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"
# Commands that are not run here: packages are installed, and `dev` serves until it is stopped.
NOT_RUN = re.compile(r"pip install|unigate dev$")


def type_in(guide: str, folder: Path) -> dict[str, str]:
    """Write each file and run each command of a guide in turn; return what commands print."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "contrib"), "PYTHONWARNINGS": "error"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop("PYTEST_ADDOPTS", None)
    printed = {}
    for block in blocks(GUIDES / guide):
        if block.language == "console":
            for line in block.text.splitlines():
                command = line.removeprefix("$ ")
                if not NOT_RUN.search(command):
                    printed[command] = _run(command, folder, environment)
            continue
        file = folder / block.file
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as written:  # settings.py of Django is there already
            written.write(block.text)
    return printed


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command.split(), cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_guide_for_flask(tmp_path: Path) -> None:
    printed = type_in("flask.md", tmp_path)
    assert "/whoami" in printed["flask --app main unigate routes"]
    assert '\\"visits\\":1' in printed["flask --app main unigate invoke --as alb --path /whoami"]
    assert "the old shop" in printed["flask --app deployed unigate invoke --path /older"]
    assert "4 passed" in printed["pytest"]
    names = (
        "import commands, shop, settings, unigate; "
        'print(commands.app({"manage": "hello"}, None)["output"]); '
        "unigate.wrap('shop:create_app').load(); "
        "print(settings.app.mounts)"
    )
    done = subprocess.run(
        [sys.executable, "-c", names], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("Hello!"), done.stderr
    assert "/old" in done.stdout


def test_the_guide_for_django(tmp_path: Path) -> None:
    printed = type_in("django.md", tmp_path)
    assert "no issues" in printed["python manage.py check"]
    assert "/whoami" in printed["python manage.py unigate routes"]
    assert "country" in printed["python manage.py unigate invoke --as alb --path /whoami"]
    assert "1 passed" in printed["pytest"]


@pytest.mark.parametrize("guide", ["flask.md", "django.md"])
def test_the_settings_in_a_guide_are_all_there_are(guide: str) -> None:
    from django_unigate.conf import Settings
    from flask_unigate.extension import REMOTE_ADDR, SETTINGS

    text = (GUIDES / guide).read_text("utf-8")
    if guide == "flask.md":
        expected = {f"UNIGATE_{name.upper()}" for name in (*SETTINGS, REMOTE_ADDR)}
        assert set(re.findall(r"UNIGATE_[A-Z_]+", text)) == expected
    else:
        table = set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE))
        assert table == {name.upper() for name in Settings._fields}
