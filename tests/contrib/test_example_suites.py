"""The tests that come with the examples, run as their users do: in a separate pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .every_host import HOSTS

ROOT = Path(__file__).resolve().parents[2]
PYTEST = (sys.executable, "-m", "pytest", "-W", "error")


@pytest.mark.parametrize(
    ("tests", "application"),
    [
        ("example_flask/test_site.py", "api.index:app"),
        ("example_django/guestbook/tests.py", "api.index:app"),
        ("example_django/guestbook/tests.py", "guestbook.asgi:application"),
    ],
)
def test_the_tests_of_an_example_pass_through_every_host(
    tests: str, application: str, tmp_path: Path
) -> None:
    variables = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    plugins = ("-pno:cacheprovider", "-ptests.contrib.every_host")
    done = subprocess.run(
        [
            *PYTEST,
            *plugins,
            f"--basetemp={tmp_path}/base",
            f"--override-ini=unigate_app={application}",
        ],
        cwd=ROOT / tests.partition("/")[0],
        env={
            **variables,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contrib")]),
            "DJANGO_DATABASE": str(tmp_path / "guestbook.sqlite3"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    number = (ROOT / tests).read_text().count("def test_") * len(HOSTS)
    assert re.search(rf"= {number} passed in .*=\n$", done.stdout), done.stdout
