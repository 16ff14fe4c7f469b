"""Run all benchmarks one after the other, and write their results to `benchmarks/results`.

    python benchmarks/run.py [--quick] [--folder FOLDER] [NAME ...]

Each runs in a process of its own. Results have the name of the benchmark and Python's version, for
example `cache-3.11.json`. A benchmark that fails does not stop the others; its old results stay.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
LONGEST = 900  # seconds


@dataclass(frozen=True)
class Script:
    """A file of this folder, its options, those that `--quick` adds, and its lowest Python."""

    file: str
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    python: tuple[int, int] = (3, 11)


SCRIPTS = {
    "invocations": Script("invocations.py", quick=("--rounds", "10")),
    "invocations-without-fast": Script(
        "invocations.py", ("--large", "--without-fast"), ("--rounds", "10")
    ),
    "lambda_runtime": Script("lambda_runtime.py", quick=("--rounds", "5", "--starts", "3")),
    "vercel_loop": Script("vercel_loop.py", quick=("--rounds", "5"), python=(3, 12)),
    "plugins": Script("plugins.py", quick=("--rounds", "50")),
    "cache": Script("cache.py", quick=("--rounds", "10", "--entries", "1000")),
    "cold_start": Script("cold_start.py", quick=("--rounds", "5")),
    "bytecode": Script("bytecode.py", quick=("--rounds", "3")),
    "servers": Script("servers.py", quick=("--rounds", "3")),
    "mounts": Script("mounts.py", quick=("--rounds", "5")),
    "memory": Script("memory.py", quick=("--rounds", "1", "--requests", "1000")),
}
"""The benchmarks that this runs, by the name of their results."""


def run(name: str, folder: Path, *, quick: bool) -> bool:
    """Run a benchmark and write its results to a folder; return whether it succeeded."""
    script = SCRIPTS[name]
    command = [sys.executable, str(HERE / script.file), *script.options, "--json"]
    command += script.quick if quick else ()
    print(f"{name} ...", end=" ", flush=True)
    begun = time.monotonic()
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        print(f"has not ended within {LONGEST} seconds")
        return False
    print(f"{time.monotonic() - begun:.0f} s", "" if ended.returncode == 0 else "and failed")
    if ended.returncode:
        return False
    document = {"date": date.today().isoformat(), **json.loads(ended.stdout)}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}-{python}.json").write_text(text)
    return True


def main() -> None:
    """Read the command line and run; exit with 1 if a benchmark has failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}; all")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that all run")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of the results")
    options = parser.parse_args()
    if unknown := set(options.names) - SCRIPTS.keys():
        parser.error(f"NAME must be one of {', '.join(SCRIPTS)}, got {', '.join(unknown)}")
    known = [name for name, script in SCRIPTS.items() if sys.version_info >= script.python]
    names = options.names or known
    failed = [name for name in names if not run(name, options.folder, quick=options.quick)]
    if failed:
        raise SystemExit(f"These have failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
