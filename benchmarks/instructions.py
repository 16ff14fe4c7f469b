"""Count the instructions of the hot paths, and compare them with `instructions.json`.

A count does not depend on how fast or how busy the machine is, because valgrind's callgrind counts
what the processor is asked to do. It depends on the interpreter, so the file has counts for each
minor version of CPython, with the build that they are of. On that build a path may need 3 % more
than recorded. On another build the counts are multiplied first by what that build needs for the
path "reference", which runs no code of the project, and a path may need 15 % more.

One process imports everything under callgrind, and forks for each path, so that no path changes
another one's caches. The child warms its path up and turns the garbage collector off. It runs the
path n times, then 2n times. It calls `getppid` before, between and after, where callgrind writes
what it has counted since the last call. The difference is that of n runs, without any start.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "instructions.json"
MARGIN, MARGIN_OF_ANOTHER_BUILD = 0.03, 0.15
# Enough for the interpreter to specialize the code and for each memory to be filled.
WARM_UP, CALLS = 60, 20
LARGE_WARM_UP, LARGE_CALLS = 4, 4
# Other packages that hot paths call.
PACKAGES = ("azure-functions", "flask", "orjson", "pybase64", "werkzeug")

Counts = dict[str, int]


def run_paths() -> None:
    """Run each path in a child, and print its name and the child's id."""
    import hot_paths

    for name, prepare in hot_paths.PATHS.items():
        child = os.fork()
        if not child:
            try:
                run_marked(prepare(), large="MiB" in name)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"The path {name!r} must not fail.")
        print(json.dumps([name, child, LARGE_CALLS if "MiB" in name else CALLS]), flush=True)


def run_marked(run: Any, *, large: bool) -> None:
    """Run a path with calls of `getppid` around what is counted, and end the process."""
    calls = LARGE_CALLS if large else CALLS
    run(LARGE_WARM_UP if large else WARM_UP)
    gc.collect()
    gc.disable()
    os.getppid()
    run(calls)
    os.getppid()
    run(2 * calls)
    os.getppid()
    os._exit(0)


def count() -> Counts:
    """Return the instructions that each path needs, by name."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, __file__, "--run"]
        callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--dump-before=getppid"]
        callgrind.append(f"--callgrind-out-file={folder}/%p")
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(HERE.parent),
        }
        # First without callgrind: a process that compiles the modules has other memory.
        for prefix in ([], callgrind):
            ended = subprocess.run(
                prefix + program, env=environment, cwd=folder, stdout=subprocess.PIPE
            )
            if ended.returncode:
                raise SystemExit("The hot paths must run; see the error above.")
        counts = {}
        for line in ended.stdout.splitlines():
            name, child, calls = json.loads(line)
            # The first file is of the start, and of the warm-up.
            once, twice = (read_total(Path(folder, f"{child}.{part}")) for part in (2, 3))
            counts[name] = round((twice - once) / calls)
        return counts


def read_total(file: Path) -> int:
    """Return the instructions that a file of callgrind's has in all."""
    line = next(line for line in file.read_text().splitlines() if line.startswith("totals: "))
    return int(line.removeprefix("totals: "))


def build() -> str:
    """Return the build of the interpreter, as far as counts depend on it."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    known = ("--enable-optimizations", "--with-lto", "--enable-shared")
    parts = [
        f"{platform.python_implementation()} {platform.python_version()}",
        platform.python_compiler(),
        " ".join(platform.libc_ver()),
        platform.machine(),
        *(option for option in known if option in options),
    ]
    return ", ".join(parts)


def compare(counts: Counts, recorded: Counts, *, same: bool) -> list[str]:
    """Print a line for each path; return those that need more than recorded.

    Args:
        same: Whether the recorded counts are of this build.
    """
    scale = 1.0 if same else recorded["reference"] / counts["reference"]
    most = 1 + (MARGIN if same else MARGIN_OF_ANOTHER_BUILD)
    if not same:
        print(f"The recorded counts are of another build: these are multiplied by {scale:.3f}.")
    print(f"{'instructions':<28}{'recorded':>10}{'now':>10}{'change':>8}")
    more = []
    for name, counted in counts.items():
        before, now = recorded.get(name, 0), round(counted * scale)
        change = f"{now / before - 1:+.1%}" if before else "new"
        print(f"{name:<28}{before:>10}{now:>10}{change:>8}")
        if now > before * most:
            more.append(f"{name} ({change})")
    return more


def changed_packages(recorded: dict[str, str], installed: dict[str, str]) -> str:
    """Return what else may be the reason of other counts."""
    return "".join(
        f" {name} was {recorded.get(name)} and is {now}."
        for name, now in installed.items()
        if recorded.get(name) != now
    )


def main() -> None:
    """Count, then compare with the file or update it; exit with 1 if a path needs too many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--update", action="store_true", help="write the counts to the file")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_paths()
        return
    file = json.loads(RECORDED.read_text())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = {name: version(name) for name in PACKAGES}
    print(build())
    counts = count()
    if options.update:
        file[python] = {"build": build(), "packages": packages, "counts": counts}
        RECORDED.write_text(json.dumps(dict(sorted(file.items())), indent=2) + "\n")
    elif python not in file:
        print(f"No counts of Python {python} are recorded: make instructions UPDATE=--update")
    else:
        recorded = file[python]
        more = compare(counts, recorded["counts"], same=recorded["build"] == build())
        if more:
            raise SystemExit(
                f"These paths need more instructions than recorded: {', '.join(more)}. If the "
                "change is worth them, run `make instructions UPDATE=--update` and say why in the "
                f"commit.{changed_packages(recorded['packages'], packages)}"
            )


if __name__ == "__main__":
    main()
