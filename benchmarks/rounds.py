"""What all benchmarks share: rounds in random order, medians, the machine, and their output.

Other programs on a machine slow down all contenders of a round alike. So contenders take turns, in
a new random order in each round, and ratios are taken within a round: the median of the ratios is
much steadier than the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, TypeVar

UNIGATE = "unigate"
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """The rounds of one contender.

    Attributes:
        workload: What was done; contenders of one workload are compared with each other.
        contender: What did it.
        unit: The unit of `value`, for example "microseconds".
        value: The median over the rounds.
        quartiles: The first and the third quartile.
        ratio: The median, within rounds, of unigate's value divided by this one; None for unigate.
        target: What `ratio` should be at most, or at least where more is better; None without one.
        met: Whether it is; None without a target.
    """

    workload: str
    contender: str
    unit: str
    value: float
    quartiles: tuple[float, float]
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None


def in_rounds(
    groups: Mapping[K, Mapping[str, Callable[[], T]]], rounds: int
) -> dict[K, dict[str, list[T]]]:
    """Call every contender of every group once in each round, and return what the calls return.

    Args:
        groups: By workload, the function of each contender that makes one measurement.
        rounds: The number of rounds.
    """
    taken: dict[K, dict[str, list[T]]] = {
        group: {name: [] for name in contenders} for group, contenders in groups.items()
    }
    for _ in range(rounds):
        for group, contenders in groups.items():
            for name in random.sample(list(contenders), len(contenders)):
                taken[group][name].append(contenders[name]())
    return taken


def timer(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    """Return a function that measures the mean microseconds of a call, after one untimed call."""

    def measure() -> float:
        call()
        start = perf_counter()
        for _ in repeat(None, calls):
            call()
        return (perf_counter() - start) / calls * 1e6

    return measure


def compare(
    workload: str,
    unit: str,
    samples: Mapping[str, Sequence[float]],
    *,
    targets: Mapping[str, float] | None = None,
    ours: Callable[[str], str] = lambda contender: UNIGATE,
    more_is_better: bool = False,
) -> list[Result]:
    """Return the results of a workload.

    Args:
        workload: Its name.
        unit: The unit of the samples.
        samples: The measurements of each contender, in the order of the rounds.
        targets: The targets of the ratios, by contender.
        ours: Returns the contender of unigate's that another one is compared with.
        more_is_better: Whether the ratios should be above their targets, not below.
    """
    results = []
    for name, theirs in samples.items():
        result = summarize(workload, name, unit, theirs)
        if not name.startswith(UNIGATE):
            pairs = zip(samples[ours(name)], theirs, strict=True)
            result = with_ratio(
                result,
                median(mine / other for mine, other in pairs),
                (targets or {}).get(name),
                more_is_better=more_is_better,
            )
        results.append(result)
    return results


def compare_added(
    workload: str,
    unit: str,
    samples: Mapping[str, Sequence[float]],
    *,
    targets: Mapping[str, float] | None = None,
) -> list[Result]:
    """Return what the first contender takes, and what each of the others adds to it.

    What is added is taken within rounds. In a single round it may be close to 0, so the ratios are
    those of the medians; a contender that adds nothing has none.

    Args:
        workload: Its name.
        unit: The unit of the samples.
        samples: The measurements of each contender, in the order of the rounds; unigate's is one.
        targets: The targets of the ratios, by contender.
    """
    (base, bare), *others = samples.items()
    results = {
        name: summarize(
            workload,
            f"{name}, added",
            unit,
            [both - one for both, one in zip(taken, bare, strict=True)],
        )
        for name, taken in others
    }
    ours = results[UNIGATE].value
    for name, result in results.items():
        if name != UNIGATE and result.value > 0:
            target = (targets or {}).get(name)
            results[name] = with_ratio(result, ours / result.value, target, more_is_better=False)
    return [summarize(workload, base, unit, bare), *results.values()]


def summarize(workload: str, contender: str, unit: str, samples: Sequence[float]) -> Result:
    """Return the result of a contender without a ratio."""
    spread = (samples[0], samples[0])
    if len(samples) > 1:
        low, _, high = quantiles(samples, n=4, method="inclusive")
        spread = (low, high)
    return Result(workload, contender, unit, median(samples), spread)


def with_ratio(
    result: Result, ratio: float, target: float | None, *, more_is_better: bool
) -> Result:
    """Return a result with its ratio, and with whether the target is met."""
    met = None
    if target is not None:
        met = ratio >= target if more_is_better else ratio <= target
    return replace(result, ratio=ratio, target=target, met=met)


def machine(peers: Iterable[str]) -> dict[str, str]:
    """Return what figures depend on: the interpreter, the processor, and versions of packages."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in peers},
    }


def parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the parser of the options that all benchmarks have.

    Args:
        description: The docstring of the module; its first line is shown.
        rounds: The default of `--rounds`.
    """
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--rounds", type=_positive, default=rounds, help=f"default {rounds}")
    made.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="PATH",
        help="write JSON to a file, or without PATH print it, instead of a table",
    )
    return made


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def show(results: Sequence[Any], peers: Iterable[str], path: str | None, table: str) -> None:
    """Write results, which are dataclasses, as JSON, or print a table.

    Args:
        results: The rows.
        peers: The packages whose versions belong to the results.
        path: The option `--json`.
        table: The table that is printed without the option.
    """
    described = machine(peers)
    if path is None:
        print(", ".join(f"{name} {value}" for name, value in described.items()))
        print(table)
        return
    document = {"machine": described, "results": [asdict(row) for row in results]}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text)


def table(results: Iterable[Result]) -> str:
    """Return results in aligned columns, a block for each workload."""
    lines: list[str] = []
    block = None
    for row in results:
        if block != (block := (row.workload, row.unit)):
            title = f"{row.workload:<44}{row.unit:>14}{'quartiles':>20}"
            lines += ["", f"{title}{'ours / this':>14}  target"]
        spread = " to ".join(figure(bound) for bound in row.quartiles)
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        target = "" if row.target is None else f"{row.target:.2f} "
        verdict = {None: "", True: "met", False: "not met"}[row.met]
        figures = f"{figure(row.value):>14}{spread:>20}{ratio:>14}"
        lines.append(f"  {row.contender:<42}{figures}  {target}{verdict}".rstrip())
    return "\n".join(lines)


def figure(value: float) -> str:
    """Return a number with three digits or more, as people read it."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
