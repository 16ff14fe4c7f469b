"""What a cold start takes to import an application, with bytecode and without."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_PROGRAM = Path(__file__).with_name("start_program.py")
_SECONDS = 60


class ColdStart(NamedTuple):
    """The import of an application in new processes.

    Attributes:
        with_bytecode: The seconds with bytecode.
        without: The seconds without.
        modules: The paths of the imported sources below the folder.
    """

    with_bytecode: float
    without: float
    modules: Sequence[str]

    def __str__(self) -> str:
        return (
            f"A cold start imports the application in {self.with_bytecode:.2f} s, and without "
            f"bytecode in {self.without:.2f} s (measured here)."
        )


class NotStarted(Exception):
    """An application could not be imported in a new process."""


def cold_start_of_folder(
    python: str, folder: Path, target: str, environment: Mapping[str, str]
) -> ColdStart:
    """Measure a function's folder, which has its packages, and bytecode in `__pycache__`.

    Raises:
        NotStarted: The import fails, as with packages for another machine.
    """
    command = [python, "-I", "-S", "-B", str(_PROGRAM), str(folder.resolve()), target]
    variables = {**os.environ, **environment}
    return _measured(command, folder, variables)


def cold_start_here(python: str, folder: Path, target: str) -> ColdStart:
    """Measure a project with the packages of an interpreter; its folders are not written to.

    Raises:
        NotStarted: The import fails.
    """
    command = [python, "-P", str(_PROGRAM), str(folder.resolve()), target]
    with tempfile.TemporaryDirectory() as cache:
        cached = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        cached.pop("PYTHONDONTWRITEBYTECODE", None)
        _start(command, folder, cached)  # writes the bytecode
        return _measured(command, folder, cached)


def _measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> ColdStart:
    without = _start([*command, "--no-bytecode"], folder, environment)
    start = _start(command, folder, environment)  # after the other, which has read the files
    return ColdStart(start["seconds"], without["seconds"], start["modules"])


def _start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=_SECONDS,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotStarted(str(error)) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise NotStarted(lines[-1] if lines else f"exit code {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report
