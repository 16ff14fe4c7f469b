"""Applications that do not expect a prefix on their path are reached as guides/prefixes.md says."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.servers.processes import ROOT

from .environments import environment

REQUIREMENTS = (
    "cherrypy==18.10.0",
    "dash==4.4.1",
    "emmett55==1.3.0",
    "microdot==2.7.0",
    "python-socketio==5.18.1",
)
SECONDS = 120


@pytest.mark.parametrize(
    ("name", "keep_root_path", "statuses"),
    [
        ("microdot asgi", True, [404, 200]),
        ("emmett", True, [404, 200]),
        ("python-socketio", True, [404, 200]),
        ("microdot wsgi", False, [404, 200]),
        ("cherrypy", False, [404, 200]),
        ("cherrypy, set", None, [200]),
        ("dash", None, [200]),
    ],
)
def test_what_readme_says_helps(
    name: str, keep_root_path: bool | None, statuses: list[int]
) -> None:
    python = environment("unprefixed", REQUIREMENTS)
    ran = subprocess.run(
        [
            *(str(python), "-W", "ignore", "-m", "tests.applications.unprefixed"),
            *(name, json.dumps(keep_root_path)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    # CherryPy logs requests there before it.
    assert json.loads(ran.stdout.splitlines()[-1]) == statuses
