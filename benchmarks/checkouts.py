"""Compare two checkouts of unigate: what one Lambda invocation costs in each.

    git worktree add ../before <commit>
    python benchmarks/checkouts.py ../before

Each checkout runs in a process of its own, which imports unigate from it. The two take turns, a few
invocations each, so that both see the same machine. A ratio above 1 means that this checkout is
slower than the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parent
MEBIBYTE = 1024 * 1024
CALLS = {"small": 50, "1 MiB": 3}


def workloads() -> dict[str, Callable[[], Any]]:
    """Return a call for each pair of an application and an event, by name."""
    from samples import CONTEXT, asgi_app, http_api_event, rest_api_event, wsgi_app

    import unigate

    bodies = {"small": b"", "1 MiB": random.Random(7).randbytes(MEBIBYTE)}
    events = {"HTTP API 2.0": http_api_event, "REST API v1": rest_api_event}
    apps = {"ASGI": asgi_app, "WSGI": wsgi_app}
    return {
        f"{interface}, {format}, {size}": partial(
            unigate.wrap(app).lambda_handler, make_event(body), CONTEXT
        )
        for interface, app in apps.items()
        for format, make_event in events.items()
        for size, body in bodies.items()
    }


def serve() -> None:
    """Time the workloads that are named on standard input, one line each; print microseconds."""
    import unigate

    calls = workloads()
    print(json.dumps([unigate.__file__, *calls]), flush=True)
    for line in sys.stdin:
        name = line.strip()
        call, count = calls[name], CALLS[name.rpartition(", ")[2]]
        call()
        start = perf_counter()
        for _ in repeat(None, count):
            call()
        print((perf_counter() - start) / count * 1e6, flush=True)


class Checkout:
    """A process that runs the workloads with the unigate of a folder."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HERE)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        imported, *self.names = json.loads(self._process.stdout.readline())
        if not Path(imported).is_relative_to(folder):
            raise SystemExit(f"{folder} must hold a folder unigate, got {imported}.")

    def time(self, name: str) -> float:
        """Return the microseconds of one invocation."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


def compare(this: Checkout, other: Checkout, rounds: int) -> None:
    """Take turns, and print a line for each workload."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in this.names}
    for _ in range(rounds):
        for name, pairs in times.items():
            if random.random() < 0.5:
                mine, theirs = this.time(name), other.time(name)
            else:
                theirs, mine = other.time(name), this.time(name)
            pairs.append((mine, theirs))
    print(f"{'':<28}{'this':>10}{'other':>10}{'this / other':>15}")
    for name, pairs in times.items():
        mine, theirs = (median(column) for column in zip(*pairs, strict=True))
        ratio = median(a / b for a, b in pairs)
        print(f"{name:<28}{mine:>10.2f}{theirs:>10.2f}{ratio:>15.3f}")


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("other", type=Path, nargs="?", help="the folder of the other checkout")
    parser.add_argument("--rounds", type=int, default=200, help="turns of each (default 200)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.other is None or options.rounds < 1:
        parser.error("name the folder of the other checkout, and at least 1 round")
    this, other = Checkout(HERE.parent), Checkout(options.other.resolve())
    try:
        compare(this, other, options.rounds)
    finally:
        this.close()
        other.close()


if __name__ == "__main__":
    main()
