"""uv, if it is installed, and the interpreters that it finds."""

from __future__ import annotations

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
    found = shutil.which(f"python{version}")  # which may be a script for an interpreter elsewhere
    if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
        return found
    return None
