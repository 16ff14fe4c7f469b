"""Check the snippets with mypy and pyright, both strict: python tests/typing/check.py

Each line that ends with "# refused" must be an error of both, and no other line may be one of
either. `assert_type` holds what a type is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNIPPETS = Path(__file__).parent / "snippets"
MARK = "# refused"

Errors = dict[tuple[str, int], str]


def marked() -> set[tuple[str, int]]:
    """Return the lines that must be refused, as the names of files and numbers."""
    return {
        (file.name, number)
        for file in SNIPPETS.glob("*.py")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if line.endswith(MARK)
    }


def errors_of_mypy() -> Errors:
    """Return mypy's errors by their lines."""
    command = [sys.executable, "-m", "mypy", "--output=json", "--no-warn-unused-ignores"]
    rows = map(json.loads, _output([*command, str(SNIPPETS)]).splitlines())
    return {
        (Path(row["file"]).name, row["line"]): row["message"]
        for row in rows
        if row["severity"] == "error"
    }


def errors_of_pyright() -> Errors:
    """Return pyright's errors by their lines."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    report = json.loads(_output([*command, "--project", str(ROOT), str(SNIPPETS)]))
    return {
        (Path(row["file"]).name, row["range"]["start"]["line"] + 1): row["message"]
        for row in report["generalDiagnostics"]
        if row["severity"] == "error"
    }


def main() -> int:
    """Print what a checker refuses or accepts wrongly; return 1 if there is anything."""
    wrong = 0
    expected = marked()
    for name, errors in (("mypy", errors_of_mypy()), ("pyright", errors_of_pyright())):
        for file, line in sorted(expected - errors.keys()):
            print(f"tests/typing/snippets/{file}:{line}: {name} accepts this")
            wrong = 1
        for file, line in sorted(errors.keys() - expected):
            print(f"tests/typing/snippets/{file}:{line}: {name}: {errors[file, line]}")
            wrong = 1
    print(f"{len(expected)} lines must be refused by mypy and pyright.")
    return wrong


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
