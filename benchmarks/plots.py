"""Draw the results of the benchmarks, a chart for each table.

    python benchmarks/plots.py

Reads `benchmarks/results/*.json`, which `run.py` writes, and writes `docs/benchmarks/*.svg`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charts import Bar, Group, draw

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHARTS = ROOT / "docs" / "benchmarks"

Row = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A chart of some rows of a benchmark.

    Attributes:
        name: The name of the file, before the version of Python.
        benchmark: The name of the results.
        title: The title of the chart.
        unit: The unit that it shows.
        wanted: Returns whether a row is shown.
    """

    name: str
    benchmark: str
    title: str
    unit: str
    wanted: Callable[[Row], bool] = lambda row: True


def of(*parts: str, unit: str = "microseconds") -> Callable[[Row], bool]:
    """Return whether a row has a unit, and its workload one of some parts."""
    return lambda row: row["unit"] == unit and any(part in row["workload"] for part in parts)


def around_nothing(row: Row) -> bool:
    """Return whether a row is of a small event and an application that does nothing."""
    return row["workload"].startswith(("ASGI", "WSGI")) and row["workload"].endswith("small")


FRAMEWORKS = of("Flask", "Django", "FastAPI")
PLOTS = (
    Plot("small-events", "invocations", "One small Lambda event", "µs", around_nothing),
    Plot("frameworks", "invocations", "One small event, real applications", "µs", FRAMEWORKS),
    Plot("large-bodies", "invocations", "1 MiB in and out, with unigate[fast]", "µs", of("1 MiB")),
    Plot("large-bodies-without-fast", "invocations-without-fast", "1 MiB in and out", "µs"),
    Plot("runtime-small", "lambda_runtime", "Lambda runtimes, small events", "µs", of("small")),
    Plot("runtime-large", "lambda_runtime", "Lambda runtimes, 1 MiB", "µs", of("1 MiB")),
    Plot(
        "runtime-cold-start",
        "lambda_runtime",
        "Lambda runtimes, start of the process to its first response",
        "ms",
        of("cold start", unit="milliseconds"),
    ),
    Plot("vercel", "vercel_loop", "WSGI under Vercel's Python runtime", "µs"),
    Plot("plugins", "plugins", "A request through the Django and Flask plugins", "µs"),
    *(
        Plot(f"cache-{store.lower()}", "cache", f"The cache: {store}", "µs", of(f"{store}, "))
        for store in ("memory", "Redis", "Vercel")
    ),
    Plot(
        "cache-size",
        "cache",
        "The cache: memory of an entry",
        "bytes",
        of("an entry", unit="bytes"),
    ),
    Plot(
        "servers",
        "servers",
        "Live servers, 32 connections; ratio above 1: unigate is faster",
        "requests/s",
        of("", unit="per second"),
    ),
    Plot(
        "servers-cpu",
        "servers",
        "Live servers, processor time of a request",
        "µs",
        of("CPU"),
    ),
    Plot("mounts", "mounts", "A request to the last of many mounts", "µs"),
    Plot(
        "cold-start",
        "cold_start",
        "First reply of a new process, and what each tool adds to it",
        "ms",
        lambda row: row["workload"].endswith("first reply"),
    ),
    Plot("bytecode", "bytecode", "First reply from a build for AWS, a new process", "ms"),
    Plot(
        "memory",
        "memory",
        "Memory (RSS) of the application alone, and what each tool adds to it",
        "KiB",
        of(": RSS", unit="KiB"),
    ),
)


def groups(plot: Plot, rows: list[Row]) -> list[Group]:
    """Return the bars of a plot by workload, in the order of the rows."""
    found: dict[str, list[Bar]] = {}
    for row in rows:
        if plot.wanted(row):
            low, high = row["quartiles"]
            bar = Bar(row["contender"], row["value"], (low, high), row["ratio"])
            found.setdefault(row["workload"], []).append(bar)
    return [Group(name, bars) for name, bars in found.items()]


def charts(results: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file that the results in a folder give."""
    for plot in PLOTS:
        for path in sorted(results.glob(f"{plot.benchmark}-[0-9].[0-9]*.json")):
            document = json.loads(path.read_text())
            python = path.stem.rpartition("-")[2]
            machine = document["machine"]
            note = f"{machine['python']}, {machine['machine']}, {document['date']}. "
            note += "Medians, lines from the first to the third quartile; "
            note += "ratio: unigate / this, median of the rounds."
            drawn = draw(plot.title, note, plot.unit, groups(plot, document["results"]))
            yield f"{plot.name}-{python}.svg", drawn


def main() -> None:
    """Draw all charts, and remove those that no results give any more."""
    CHARTS.mkdir(parents=True, exist_ok=True)
    drawn = dict(charts(RESULTS))
    for path in CHARTS.glob("*.svg"):
        if path.name not in drawn:
            path.unlink()
    for name, content in drawn.items():
        (CHARTS / name).write_text(content)


if __name__ == "__main__":
    main()
