"""What an application does when it is imported: how long that takes, which files it writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import Finding, import_probe

# "import time:      1234 |       5678 |   package.module", in microseconds: itself, with all below.
# What the application prints without an end of line may stand before it.
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
# Where a function may write; what lies below the project is read-only there, wherever that is here.
_WRITABLE = ("/tmp", "/dev", "/proc")


def check_import(root: Path, target: str, budget: float) -> Iterator[Finding]:
    """Load an application in a process of its own, and find what a function would suffer from.

    That it can be imported at all is for others to find out.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        temporary = Path(folder, "temporary")
        temporary.mkdir()
        command = [sys.executable, "-X", "importtime", import_probe.__file__, target, str(report)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, errors="replace"
        )
        if not report.exists():
            return
        found = json.loads(report.read_text("utf-8"))
        yield from _writes(root, found["written"], temporary)
    yield from _times(target.partition(":")[0], done.stderr, found["seconds"], budget)


def _writes(root: Path, written: list[list[str]], temporary: Path) -> Iterator[Finding]:
    seen = set()
    for path, culprit in written:
        below_root = Path(path).is_relative_to(root)
        free = any(Path(path).is_relative_to(one) for one in (temporary, *_WRITABLE))
        if (free and not below_root) or path in seen:
            continue
        seen.add(path)
        shown = Path(path).relative_to(root) if below_root else path
        message = f"{shown} is written at import, and only the temporary folder can be written to."
        yield Finding("write", culprit, message)


def _times(module: str, log: str, seconds: float, budget: float) -> Iterator[Finding]:
    if seconds <= budget:
        return
    packages: Counter[str] = Counter()
    for itself, name in _LINE.findall(log):
        packages[name.partition(".")[0]] += int(itself)
    slowest = ", ".join(f"{name} {time / 1e6:.2f}" for name, time in packages.most_common(5))
    message = f"The import takes {seconds:.1f} s, over the budget of {budget:g}: {slowest}."
    yield Finding("import", module, message)
