"""The commands that `unigate build` prints, read by a shell."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import GATEWAY, project, write
from unigate.cli.build.next_command import Variable, joined, to_run
from unigate.cli.main import main

# Each program prints its arguments.
TELL = "import json, sys; print(json.dumps(sys.argv[1:]))"
PROGRAMS = "".join(
    f'{program}() {{ {shlex.join([sys.executable, "-c", TELL, program])} "$@"; }}\n'
    for program in ("az", "docker", "fly", "func", "gcloud", "vercel")
)
VALUES = "PROJECT='my project' REGION=r1 TEAM=t APP=shop GROUP=g STORAGE=s LOCATION='West Europe'\n"
VALUE = "a $HOME, 'b' \"c\" \\ \u00e4 #;&"
SETTINGS = f"""
[project]
name = "shop"
dependencies = ["unigate"]
[tool.unigate]
python = "3.13"
memory = 600
timeout = 60
[tool.unigate.environment]
A = {json.dumps(VALUE)}
B = "2"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    files = {"shop.py": GATEWAY, "pyproject.toml": SETTINGS}
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


def run(text: str, folder: Path) -> list[list[str]]:
    """Run the indented lines of a text in a shell, and return the words of each command."""
    lines = "\n".join(line for line in text.splitlines() if line.startswith(" "))
    script = PROGRAMS + VALUES + lines
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def commands(folder: Path, capsys: pytest.CaptureFixture[str], target: str) -> list[list[str]]:
    out = "out folder"
    assert main(["build", "shop:app", "--target", target, "--output", out, "--force"]) == 0
    return run(capsys.readouterr().out, folder)


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_google(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deploy,) = commands(folder, capsys, "google")
    assert deploy[:4] == ["gcloud", "functions", "deploy", "shop"]
    given = {
        "--project": "my project", "--region": "r1", "--runtime": "python313",
        "--source": "out folder", "--entry-point": "main", "--memory": "600MiB",
        "--timeout": "60s", "--set-env-vars": f"^|^A={VALUE}|B=2",
    }  # fmt: skip
    assert {name: option(deploy, name) for name in given} == given


def test_azure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group, storage, create, variables, publish = commands(folder, capsys, "azure")
    assert group == ["az", "group", "create", "--name", "g", "--location", "West Europe"]
    assert option(storage, "--name") == "s"
    given = {
        "--name": "shop", "--resource-group": "g", "--storage-account": "s",
        "--flexconsumption-location": "West Europe", "--instance-memory": "2048",
        "--runtime": "python", "--runtime-version": "3.13",
    }  # fmt: skip
    assert {name: option(create, name) for name in given} == given
    assert variables[-3:] == ["--settings", f"A={VALUE}", "B=2"]
    assert publish == ["func", "azure", "functionapp", "publish", "shop", "--python"]


@pytest.mark.parametrize(("memory", "size"), [(512, "512"), (3000, "4096"), (9000, "4096")])
def test_azures_instance_is_the_smallest_that_is_large_enough(
    folder: Path, capsys: pytest.CaptureFixture[str], memory: int, size: str
) -> None:
    write(folder, {"pyproject.toml": SETTINGS.replace("600", str(memory))})
    assert option(commands(folder, capsys, "azure")[2], "--instance-memory") == size


def test_vercel(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deploy,) = commands(folder, capsys, "vercel")
    place = ["--scope", "t", "--regions", "r1", "--cwd", "out folder"]
    assert deploy == ["vercel", "deploy", *place, "--env", f"A={VALUE}", "--env", "B=2"]


def test_container(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, start, deploy, launch = commands(folder, capsys, "container")
    assert build == ["docker", "build", "--tag", "shop", "out folder"]
    assert start[-1] == "shop"
    assert option(deploy, "--source") == "out folder"
    assert option(launch, "--region") == "r1"


def test_the_first_line_names_the_variables() -> None:
    one, two, three = Variable("A"), Variable("B"), Variable("C")
    assert to_run("Deploy", ["x", "y z"]) == "Deploy:\n  x 'y z'"
    assert to_run("Deploy", ["x", one]) == 'Deploy, with A set in the shell:\n  x "$A"'
    assert to_run("Go", [one], [two, one], [three]).startswith("Go, with A, B and C set in the")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["1", "2"], "A=1,B=2"),
        (["1,2", "3"], "^;^A=1,2;B=3"),
        (["1,2;", "|#"], "^@^A=1,2;@B=|#"),
        ([",;|@#~", ""], "^\u2500^A=,;|@#~\u2500B="),
    ],
)
def test_variables_for_gcloud_have_a_separator_of_their_own(values: list[str], text: str) -> None:
    assert joined(dict(zip("AB", values, strict=True))) == text


@pytest.mark.parametrize(
    ("name", "service"),
    [("My_Shop.1", "my-shop-1"), ("1a", "app-1a"), ("\u00e4", "app"), ("a" * 60, "a" * 49)],
)
def test_the_name_of_the_service_is_one_that_platforms_take(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, service: str
) -> None:
    write(folder, {"pyproject.toml": SETTINGS.replace('"shop"', json.dumps(name), 1)})
    assert commands(folder, capsys, "google")[0][3] == service
