"""uv, if it is installed, and the interpreters that it finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_uv() -> str | None:
    """Return the path of uv, in this environment or on PATH, or None."""
    installed = Path(sys.executable).with_name("uv")
    return str(installed) if installed.exists() else shutil.which("uv")


def find_python(version: str) -> str | None:
    """Return the path of an interpreter on this machine, or None.

    Args:
        version: Its minor version, such as "3.13".
    """
    if version == f"3.{sys.version_info.minor}":
        return sys.executable
    uv = find_uv()
    if uv is not None:
        command = [uv, "python", "find", "--no-project", "--no-python-downloads", version]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip()
    # uv stops at a shim of pyenv for a version that is installed and not selected.
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    pyenv = sorted(map(str, versions.glob(f"{version}.*/bin/python{version}")))
    for found in filter(None, (shutil.which(f"python{version}"), *pyenv)):
        if subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    return None
