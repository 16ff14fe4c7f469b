"""Check the import of an application: the time that it takes, and the files that it writes."""

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

from . import import_probe
from .findings import Finding

# "import time:      1234 |       5678 |   package.module", in microseconds: the module's own time,
# and that with its imports. Output of the application without a newline may precede it.
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
# Where a function may write. The project is read-only there, even if it is below /tmp here.
_WRITABLE = ("/tmp", "/dev", "/proc")


def check_import(root: Path, target: str, budget: float) -> Iterator[Finding]:
    """Import an application in a subprocess, and find slow imports and written files.

    An application that cannot be imported is not a finding of this check.

    Args:
        root: The folder of the project, which is the working directory of the subprocess.
        target: The import string of the application.
        budget: How many seconds the import may take.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        temporary = Path(folder, "temporary")
        temporary.mkdir()
        command = [sys.executable, "-X", "importtime", import_probe.__file__, target, str(report)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
        completed = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, errors="replace"
        )
        if not report.exists():
            return
        result = json.loads(report.read_text("utf-8"))
        yield from _check_writes(root, result["written"], temporary)
    module = target.partition(":")[0]
    yield from check_time(module, completed.stderr, result["seconds"], budget)


def check_time(module: str, log: str, seconds: float, budget: float) -> Iterator[Finding]:
    """Find an import that takes longer than the budget.

    Args:
        log: The output of `python -X importtime`.
    """
    if seconds <= budget:
        return
    packages: Counter[str] = Counter()
    for own_time, name in _LINE.findall(log):
        packages[name.partition(".")[0]] += int(own_time)
    slowest = ", ".join(f"{name} {time / 1e6:.2f}" for name, time in packages.most_common(5))
    message = f"The import takes {seconds:.1f} s, over the budget of {budget:g}: {slowest}."
    yield Finding("import", module, message)


def _check_writes(root: Path, written: list[list[str]], temporary: Path) -> Iterator[Finding]:
    reported = set()
    for path, line in written:
        in_project = Path(path).is_relative_to(root)
        writable = any(Path(path).is_relative_to(folder) for folder in (temporary, *_WRITABLE))
        if (writable and not in_project) or path in reported:
            continue
        reported.add(path)
        shown = Path(path).relative_to(root) if in_project else path
        message = f"{shown} is written at import, but only the temporary folder is writable."
        yield Finding("write", line, message)
