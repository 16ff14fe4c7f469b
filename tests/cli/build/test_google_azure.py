"""The entry points for Google and Azure, loaded by the platforms' own packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import FLASK, GATEWAY, project, write
from unigate.cli.main import main

ROOT = Path(__file__).resolve().parents[3]

GOOGLE = """
import functions_framework

client = functions_framework.create_app("main", {source!r}).test_client()
print(client.get("/users/ada").text)
print(client.post("/users/ada").status_code)
"""
AZURE = """
import json

import azure.functions as func
from function_app import app

(function,) = app.get_functions()
trigger, answer = [binding.get_dict_repr() for binding in function.get_bindings()]
assert (trigger["type"], answer["type"]) == ("httpTrigger", "http"), (trigger, answer)
assert trigger["authLevel"] is func.AuthLevel.ANONYMOUS, trigger
assert json.load(open("host.json"))["extensions"]["http"]["routePrefix"] == ""
print(trigger["route"], sorted(method.value for method in trigger["methods"]))
request = func.HttpRequest("GET", "https://example.org/users/ada", body=b"")
print(function.get_user_function()(request, None).get_body().decode())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, {"shop.py": GATEWAY}) as made:
        yield made


def run(program: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("shop:app", "main.py"),
        ("shop:site", "main.py"),
        ("main:app", "google_function.py"),
        ("main:site", "google_function.py"),
    ],
)
def test_googles_framework_loads_the_entry_point(folder: Path, target: str, file: str) -> None:
    assert main(["build", target, "--target", "google", "--output", "out", "--force"]) == 0
    assert run(GOOGLE.format(source=file), folder / "out") == ["user ada", "405"]


@pytest.mark.parametrize("target", ["shop:app", "shop:site"])
def test_azures_worker_finds_the_function(folder: Path, target: str) -> None:
    assert main(["build", target, "--target", "azure", "--output", "out"]) == 0
    methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    assert run(AZURE, folder / "out") == [f"{{*route}} {methods}", "user ada"]


def test_an_application_named_gateway_works_on_azure(folder: Path) -> None:
    write(folder, {"shop.py": FLASK.replace("site", "gateway")})
    assert main(["build", "shop:gateway", "--target", "azure", "--output", "out"]) == 0
    assert run(AZURE, folder / "out")[1] == "user ada"
