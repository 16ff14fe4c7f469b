"""Ask each tool the same questions, and note where its answer is not that of the specification.

A tool runs in a process of its own. The table goes to docs/conformance.md with `--page`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance_tools import Tool
    from conformance_vectors import Vector

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "conformance.md"
RESULTS = Path(__file__).parent / "results" / "conformance.json"
SECONDS = 5  # for an answer
ALL_SECONDS = 300  # for all answers of a tool
LONGEST_CAUSE = 90
PREFACE = """\
# Conformance

The same questions, asked of unigate and of other tools. Each has one right answer: that of the
specification in the second column, not that of one of the tools. `unigate.emulator` makes the
events. Each tool has its default options, but with what it documents for binary responses:
apig-wsgi and Zappa have their support on, and aws-wsgi is told of `image/png`. A `no` has a number,
which says below the table what the tool did instead. It also stands for what a tool does not
promise, such as events of VPC Lattice. A dash stands for events that aws-wsgi does not take: those
of HTTP APIs, and those of an ALB with multi-value headers. Under Vercel's runtime, `unigate` is the
same application in a gateway, which the runtime calls as an ASGI application.

Most questions come from faults that were found in released tools, and unigate was written with them
in view. So the numbers say which questions have an answer, not how often a tool fails in practice.

Asked on {date} with {python}: {described}. `python benchmarks/conformance.py --page` asks again,
and writes this page and benchmarks/results/conformance.json."""
TITLES = {
    "wsgi": "Events, WSGI applications",
    "asgi": "Events, ASGI applications",
    "routes": "Events, routes of Powertools' event handler",
    "bridge": "WSGI applications under an ASGI server",
    "vercel": "WSGI applications under Vercel's Python runtime",
}


@dataclass(frozen=True)
class Row:
    """A tool's answer to a vector; `cause` is empty if it is right."""

    kind: str
    vector: str
    rule: str
    tool: str
    cause: str


class TooLong(BaseException):
    """A tool has not answered; no Exception, so that a tool does not answer with a status."""


def ask(kind: str, name: str, only: str) -> list[Row]:
    """Ask one tool, in this process."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from conformance_interfaces import VECTORS
    from conformance_tools import TOOLS

    (tool,) = (each for each in TOOLS[kind] if each.name == name)
    tool.make(None)  # its import takes none of the time for an answer
    return answers(kind, tool, VECTORS[kind], only)


def answers(kind: str, tool: Tool, vectors: list[Vector], only: str) -> list[Row]:
    """Ask a tool for the vectors that have a counterpart in it."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, _stop)
    rows = []
    for vector in vectors:
        if vector.source in tool.without or re.search(tool.unlike, vector.name):
            continue
        if re.search(only, vector.name):
            cause = cause_of(lambda check=vector.check: check(tool))  # type: ignore[misc]
            rows.append(Row(kind, vector.name, vector.rule, tool.name, cause))
    return rows


def ask_vercel(names: list[str], only: str) -> list[Row]:
    """Ask Vercel's runtime over HTTP, where this Python has it."""
    if find_spec("vercel_runtime") is None:
        return []
    from conformance_vercel import of_vercel, servers

    with servers() as tools:
        return [
            row
            for tool in tools
            if not names or tool.name in names
            for row in answers("vercel", tool, [*of_vercel()], only)
        ]


def cause_of(check: Any) -> str:
    """Return why an answer is wrong, in few words, or "" if it is right."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        got, right = check()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except TooLong:
        return f"no answer in {SECONDS} s"
    except BaseException as error:
        return _short(f"{type(error).__name__}: {error}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "" if got == right else _short(f"{got!r}, not {right!r}")


def _stop(number: int, frame: object) -> None:
    raise TooLong


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_CAUSE else f"{text[: LONGEST_CAUSE - 1]}…"


def ask_all(names: list[str], only: str) -> Iterator[Row]:
    """Ask each tool in a process of its own."""
    for kind, name in names_of_tools():
        if names and name not in names:
            continue
        command = [sys.executable, __file__, "--ask", kind, name, "--only", only]
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=ALL_SECONDS
        )
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} must answer, got {ended.returncode}")
        yield from (Row(**row) for row in json.loads(ended.stdout))


def names_of_tools() -> list[tuple[str, str]]:
    """Return the kind and the name of each tool."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from conformance_tools import TOOLS

    return [(kind, tool.name) for kind, tools in TOOLS.items() for tool in tools]


def page(document: dict[str, Any]) -> str:
    """Return the page with the tables."""
    rows = [Row(**row) for row in document["results"]]
    described = ", ".join(f"{name} {text}" for name, text in document["versions"].items())
    lines = [PREFACE.format(**document, described=described)]
    for kind, title in TITLES.items():
        found = [row for row in rows if row.kind == kind]
        if found:
            lines += ["", f"## {title}", "", *_table(found)]
    return "\n".join(lines) + "\n"


def _table(rows: list[Row]) -> list[str]:
    tools = list(dict.fromkeys(row.tool for row in rows))
    found = {(row.vector, row.tool): row for row in rows}
    causes: list[str] = []
    lines = [
        f"| | specification | {' | '.join(tools)} |",
        f"| --- | --- | {' | '.join('---' for _ in tools)} |",
    ]
    for vector, rule in dict.fromkeys((row.vector, row.rule) for row in rows):
        cells = []
        for tool in tools:
            row = found.get((vector, tool))
            if row is None:
                cells.append("-")
                continue
            if row.cause:
                causes.append(f"{tool}, {vector}: {_code(row.cause)}")
            cells.append(f"no ({len(causes)})" if row.cause else "yes")
        lines.append(f"| {vector} | {rule} | {' | '.join(cells)} |")
    lines.append(f"| right answers | | {' | '.join(_total(rows, tool) for tool in tools)} |")
    return [*lines, "", *(f"{number}. {cause}" for number, cause in enumerate(causes, 1))]


def _total(rows: list[Row], tool: str) -> str:
    causes = [row.cause for row in rows if row.tool == tool]
    return f"{causes.count('')} of {len(causes)}"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def main() -> None:
    """Read the command line, ask, print or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tools", nargs="*", help="names of tools; all if there are none")
    parser.add_argument("--only", default="", help="a pattern of the vectors to ask")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the page")
    parser.add_argument("--page", action="store_true", help="write the page and the results")
    parser.add_argument("--ask", nargs=2, metavar=("KIND", "TOOL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        out = os.dup(1)
        os.dup2(2, 1)  # what tools print is no answer
        rows = ask(*options.ask, options.only)
        with open(out, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file)
        # Threads that wait for an answer end with the process.
        os._exit(0)
    rows = [
        *ask_all(options.tools, options.only),
        *ask_vercel(options.tools, options.only),
    ]
    document = {
        "date": datetime.date.today().isoformat(),
        "python": f"CPython {'.'.join(map(str, sys.version_info[:3]))}",
        "versions": {name: version(name) for name in dict.fromkeys(row.tool for row in rows)},
        "results": [asdict(row) for row in rows],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if options.page:
        RESULTS.write_text(text)
        PAGE.write_text(page(document))
    else:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(text if options.json else page(document))


if __name__ == "__main__":
    main()
