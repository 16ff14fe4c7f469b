"""The decorators that `test_wrappers.py` tests, and the tables of them in docs/wrappers.md.

`python -m tests.lambda_runtime.wrapper_rows` writes the tables into that page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.servers.processes import ROOT

PAGE = ROOT / "docs" / "wrappers.md"
MARK = "<!-- written by tests/lambda_runtime/wrapper_rows.py -->\n"

# What a decorator and the gateway do together. Where responses are not streamed, all is "works".
WORKS, STREAMS, WHOLE, NO = "works", "streams", "whole", "no"
RUNTIMES = {
    "awslambdaric": "AWS's runtime client",
    "buffered": "unigate's runtime",
    "streaming": "unigate's runtime, streaming",
}
Cells = tuple[str, str, str]


class Row(NamedTuple):
    """A decorator.

    Attributes:
        title: Its name in the tables.
        around: What it does in `wrap(..., around=[decorator])`, under each of RUNTIMES.
        outside: What it does around the gateway, `decorator(app)`.
        on_event: What it does in either place with functions for non-HTTP events.
        function_only: Whether it takes only functions, so that one stands between.
        mark: What it writes for each event.
        only_failures: Whether it writes that for an event that fails only.
    """

    title: str
    around: Cells = (WORKS, WORKS, STREAMS)
    outside: Cells = (WORKS, WORKS, WHOLE)
    on_event: str = WORKS
    function_only: bool = False
    mark: str = "wrapper: seen"
    only_failures: bool = False

    @property
    def place_outside(self) -> str:
        """Where the decorator is if it is not in `around`."""
        return "function" if self.function_only else "outside"

    def cells(self, place: str) -> Cells:
        """Return what it does in a place, under each of RUNTIMES."""
        return self.around if place == "around" else self.outside


ROWS = {
    "powertools_tracer": Row("Powertools `Tracer.capture_lambda_handler`"),
    "powertools_logger": Row("Powertools `Logger.inject_lambda_context`", mark="_request_id"),
    "powertools_metrics": Row("Powertools `Metrics.log_metrics`", mark='"Calls":[1.0]'),
    "powertools_event_source": Row("Powertools `event_source`", function_only=True),
    "powertools_idempotency": Row(
        "Powertools `idempotent`", around=(WORKS, WORKS, NO), function_only=True
    ),
    "powertools_handler_decorator": Row(
        "Powertools `lambda_handler_decorator`", function_only=True
    ),
    "opentelemetry": Row("OpenTelemetry `AwsLambdaInstrumentor`", around=(NO, NO, NO)),
    "datadog": Row("Datadog `datadog_lambda_wrapper`", mark='{"m":"calls"'),
    "xray": Row("AWS X-Ray `xray_recorder.capture`"),
    "sentry_function": Row("Sentry `serverless_function`", only_failures=True),
    "sentry_integration": Row(
        "Sentry `AwsLambdaIntegration`",
        around=(NO, NO, NO),
        outside=(WORKS, NO, NO),
        on_event="with AWS's client",
        only_failures=True,
    ),
    "plain": Row("a plain decorator"),
    "functools_wraps": Row("a decorator with `functools.wraps`"),
    "wrapt_decorator": Row("a decorator made with `wrapt`"),
}


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """Yield each decorator, place and runtime that work together, and whether responses stream."""
    for name, row in ROWS.items():
        for place in ("around", row.place_outside):
            for runtime, cell in zip(RUNTIMES, row.cells(place), strict=True):
                if cell != NO:
                    yield name, place, runtime, cell == STREAMS


def table(place: str) -> str:
    """Return the table of a place, "around" or "outside"."""
    lines = [
        f"| decorator | {' | '.join(RUNTIMES.values())} | `on_event` |",
        "| --- |" + " --- |" * (len(RUNTIMES) + 1),
    ]
    for row in ROWS.values():
        title = row.title
        if place == "outside" and row.function_only:
            title += ", around a function"
        if set(row.cells(place)) != {NO}:
            lines.append(f"| {title} | {' | '.join(row.cells(place))} | {row.on_event} |")
    return "".join(f"{line}\n" for line in lines)


def with_tables(text: str) -> str:
    """Return the text of the page with its two tables as they should be."""
    parts = text.split(MARK)
    assert len(parts) == 5, "Each table is between two marks."
    parts[1], parts[3] = (f"\n{table(place)}\n" for place in ("around", "outside"))
    return MARK.join(parts)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
