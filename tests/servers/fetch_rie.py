"""Fetch AWS's Runtime Interface Emulator, which the wheel of aws-sam-cli carries.

Run as a script it prints where the program is. It is kept in `.cache/` at the root of the
repository and fetched only when it is not there.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "aws-sam-cli>=1.120"
CACHE = Path(__file__).parents[2] / ".cache"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def emulator() -> Path:
    """Return the emulator for this machine; KeyError where AWS has none."""
    name = f"aws-lambda-rie-{MACHINES[platform.machine().lower()]}"
    kept = CACHE / name
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            install(folder)
            program = Path(folder, "samcli", "local", "rapid", name)
            program.chmod(0o755)
            os.replace(program, kept)
    return kept


def install(folder: str) -> None:
    """Unpack the package into a folder, without the many that it would need to run."""
    installer = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None:  # an environment that uv has made
        installer = ["uv", "pip", "install", "--python", sys.executable]
    options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--target", folder]
    subprocess.run([*installer, *options, PACKAGE], check=True, stdout=sys.stderr, timeout=300)


if __name__ == "__main__":
    print(emulator())
