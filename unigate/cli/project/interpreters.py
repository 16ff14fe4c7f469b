"""An interpreter of the version of Python that a build is for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SECONDS = 30  # more than any interpreter needs to start
_VERSION = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


def find_interpreter(version: str) -> str | None:
    """Return the path of a CPython of a minor version on this machine, or None.

    It may be the running one, one that uv finds or has installed, one on PATH, or one of pyenv.
    Nothing is downloaded.

    Args:
        version: A minor version, such as "3.12".
    """
    for candidate in _candidates(version):
        if _output([candidate, "-I", "-c", _VERSION]) == f"cpython {version}":
            return candidate
    return None


def find_uv() -> str | None:
    """Return the path of uv, in this environment or on PATH, or None."""
    installed = Path(sys.executable).with_name("uv")
    return str(installed) if installed.exists() else shutil.which("uv")


def _candidates(version: str) -> Iterator[str]:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    uv = find_uv()
    if uv is not None:
        # Without --system, the interpreter may be a virtual environment's, with all its packages.
        find = [uv, "python", "find", "--system", "--no-python-downloads", version]
        if found := _output(find):
            yield found
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield on_path
    # The programs of pyenv on PATH are shims, which know the selected versions only.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}")))


def _output(command: list[str]) -> str:
    """Return what a command prints, "" if it fails."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
