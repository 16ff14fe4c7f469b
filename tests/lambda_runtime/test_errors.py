"""What is reported and logged of an error: causes, contexts and members, within bounds."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unigate.lambda_runtime import errors
from unigate.lambda_runtime.errors import ErrorReport, TypedError
from unigate.lambda_runtime.logs import JSONFormatter

from .function import Function

pytestmark = pytest.mark.usefixtures("bounded")
# Lambda's limit for a payload; the Lambda developer guide, "Lambda quotas".
LIMIT = 6 * 1024 * 1024


def raised(fail: Callable[[], object]) -> BaseException:
    """Return what a function raises."""
    try:
        fail()
    except BaseException as error:
        return error
    raise AssertionError("It raised nothing.")


def caused() -> None:
    try:
        raise KeyError("root")
    except KeyError as error:
        raise ValueError("outer") from error


def in_context() -> None:
    try:
        raise KeyError("root")
    except KeyError:
        raise ValueError("outer")  # noqa: B904


def suppressed() -> None:
    try:
        raise KeyError("root")
    except KeyError:
        raise ValueError("outer") from None


def grouped() -> None:
    inner = ExceptionGroup("inner", [LookupError("deep")])
    members = [raised(caused), raised(in_context), OSError("alone"), inner]
    raise BaseExceptionGroup("several", [*members, KeyboardInterrupt()])


def noted() -> None:
    error = ValueError("outer")
    error.add_note("a note")
    raise error


def cancelled() -> None:
    async def wait() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    async def main() -> None:
        try:
            await asyncio.create_task(wait())
        except asyncio.CancelledError as error:
            raise RuntimeError("The application was cancelled.") from error

    asyncio.run(main())


# The lines, in order, that are not frames; and parts of frames.
SHOWN: dict[str, tuple[Callable[[], object], list[str], list[str]]] = {
    "cause": (caused, ["ValueError was caused by KeyError: 'root'"], ['raise KeyError("root")']),
    "context": (
        in_context,
        ["ValueError was raised while handling KeyError: 'root'"],
        ['raise KeyError("root")'],
    ),
    "suppressed": (suppressed, [], []),
    "group": (
        grouped,
        [
            "BaseExceptionGroup has member 1 of 5: ValueError: outer",
            "ValueError was caused by KeyError: 'root'",
            "BaseExceptionGroup has member 2 of 5: ValueError: outer",
            "ValueError was raised while handling KeyError: 'root'",
            "BaseExceptionGroup has member 3 of 5: OSError: alone",
            "BaseExceptionGroup has member 4 of 5: ExceptionGroup: inner (1 sub-exception)",
            "ExceptionGroup has member 1 of 1: LookupError: deep",
            "BaseExceptionGroup has member 5 of 5: KeyboardInterrupt: ",
        ],
        ["in caused", "in in_context"],
    ),
    "note": (noted, ["Note: a note"], []),
    "cancellation": (
        cancelled,
        ["RuntimeError was caused by CancelledError: "],
        ["in wait\n", "await asyncio.sleep(60)"],
    ),
}


def log_members(error: BaseException) -> dict[str, Any]:
    record = logging.LogRecord("shop", 40, __file__, 1, "failed", (), (type(error), error, None))
    members: dict[str, Any] = json.loads(JSONFormatter().format(record))
    return members


@pytest.mark.parametrize(("fail", "lines", "frames"), SHOWN.values(), ids=SHOWN)
def test_a_report_and_the_json_log_show_what_an_error_is_linked_with(
    fail: Callable[[], object], lines: list[str], frames: list[str]
) -> None:
    error = raised(fail)
    report = ErrorReport(error).for_runtime_api("id")

    assert [line.rstrip("\n") for line in report["stackTrace"] if line[:2] != "  "] == lines
    assert f"in {fail.__name__}\n" in report["stackTrace"][1], "its own frames come first"
    assert all(frame in "".join(report["stackTrace"]) for frame in frames)
    logged = log_members(error)
    assert {**report, **logged}["stackTrace"] == report["stackTrace"]
    assert (logged["errorType"], logged["errorMessage"]) == (
        report["errorType"],
        report["errorMessage"],
    )
    xray = ErrorReport(error).for_xray()
    assert len(xray["exceptions"]) == 1 + len([line for line in lines if line[:5] != "Note:"])
    assert all(frame["path"] in xray["paths"] for e in xray["exceptions"] for frame in e["stack"])


def chain(length: int) -> BaseException:
    error: BaseException = ValueError("link 0")
    for number in range(1, length):
        outer = ValueError(f"link {number}")
        outer.__cause__ = error
        error = outer
    return error


def ring(length: int) -> BaseException:
    last = error = chain(length)
    while last.__cause__ is not None:
        last = last.__cause__
    last.__cause__ = error
    return error


def wide_and_deep() -> BaseException:
    """A group whose exceptions could be reached in 2 to the power of 100 ways."""
    group: Exception = ValueError("deep")
    for _ in range(100):
        group = ExceptionGroup("twice", [group, group])
    return group


def with_message(message: str) -> BaseException:
    error = ValueError(message)
    error.__context__ = KeyError(message)
    error.__notes__ = [message] * 1000
    return ExceptionGroup(message, [error] + [ValueError(message + str(n)) for n in range(100)])


def recursive() -> None:
    def one(depth: int) -> None:
        two(depth) if depth else caused()

    def two(depth: int) -> None:
        one(depth - 1)

    one(400)


HUGE: dict[str, Callable[[], BaseException]] = {
    "1,000 links": lambda: chain(1000),
    "100,000 links": lambda: chain(100_000),
    "a ring of 1": lambda: ring(1),
    "a ring of 3": lambda: ring(3),
    "a ring of 1,000": lambda: ring(1000),
    "10,000 members": lambda: BaseExceptionGroup("g", [chain(3) for _ in range(10_000)]),
    "groups in groups": wide_and_deep,
    "long messages": lambda: with_message("m" * 1_000_000),
    "control characters": lambda: with_message("\0" * 1_000_000),
    "characters beyond Latin-1": lambda: with_message("\U0001f389" * 1_000_000),
    "lone surrogates": lambda: with_message("\ud800" * 1_000_000),
    "many frames": lambda: raised(recursive),
}


@pytest.mark.parametrize("make", HUGE.values(), ids=HUGE)
def test_reports_and_logs_are_bounded(make: Callable[[], BaseException]) -> None:
    error = make()
    report = ErrorReport(error).for_runtime_api("id")

    assert len(json.dumps(report, ensure_ascii=False).encode("utf-8", "replace")) < LIMIT
    assert len(json.dumps(log_members(error), ensure_ascii=False).encode(errors="replace")) < LIMIT
    assert len(ErrorReport(error).for_xray()["exceptions"]) <= errors.MOST_EXCEPTIONS


@pytest.mark.parametrize(
    ("make", "rest"),
    [
        (lambda: chain(20), 0),
        (lambda: chain(21), 1),
        (lambda: chain(1000), 980),
        (lambda: ring(1000), 980),
        (lambda: ExceptionGroup("g", [ValueError(str(n)) for n in range(10_000)]), 9981),
    ],
)
def test_a_report_counts_what_it_leaves_out(make: Callable[[], BaseException], rest: int) -> None:
    last = ErrorReport(make()).trace[-1]
    assert last.startswith(f"{rest} more exceptions are left out") == bool(rest)


def test_a_message_that_cannot_be_made_is_described() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise LookupError("no words")

    error = RuntimeError("outer")
    error.__cause__ = Silent()
    error.__notes__ = None  # type: ignore[assignment]
    assert ErrorReport(error).trace == [
        "RuntimeError was caused by Silent: <Silent that cannot be described>\n"
    ]
    assert log_members(Silent())["errorMessage"] == "<Silent that cannot be described>"


def test_the_frames_of_the_runtime_and_of_imports_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def fail():\n    1 / 0\nfail()\n")
    with Function("broken.handler", tmp_path) as runtime:
        report = runtime.api.reports.get(timeout=20)[2]

    assert report["errorType"] == "ZeroDivisionError"
    assert "broken.py" in report["stackTrace"][0]


FAILING = """
import asyncio, unigate

def cause():
    raise KeyError("the root")

def handler(event, context):
    try:
        cause()
    except KeyError as error:
        raise ExceptionGroup("several", [OSError("a member")]) from error

async def app(scope, receive, send):
    if scope["path"] == "/cancelled":
        asyncio.current_task().cancel()
    await wait_for_the_database()

async def wait_for_the_database():
    await asyncio.sleep(60)

gateway = unigate.wrap(app, lifespan="off", on_error="raise")
"""


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_the_runtime_posts_and_logs_what_an_error_is_linked_with(
    tmp_path: Path, log_format: str
) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    env = {"AWS_LAMBDA_LOG_FORMAT": log_format}
    with Function("failing.handler", tmp_path, env=env) as runtime:
        posted = runtime.api.invoke({})
        trace = "".join(posted.json()["stackTrace"])
        runtime.server.wait_for_output("the root")
        output = runtime.server.output()

    for text in (trace, output):
        assert "ExceptionGroup was caused by KeyError: 'the root'" in text
        assert "in cause" in text
        assert "ExceptionGroup has member 1 of 1: OSError: a member" in text
    cause = json.loads(posted.headers["lambda-runtime-function-xray-error-cause"])
    assert [e["type"] for e in cause["exceptions"]] == ["ExceptionGroup", "OSError", "KeyError"]


@pytest.mark.parametrize("path", ["/cancelled", "/slow"])
def test_the_report_of_a_cancelled_application_shows_where_it_was(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    event = {"httpMethod": "GET", "path": path, "requestContext": {"stage": "x"}, "resource": "/"}
    with Function("failing.gateway", tmp_path) as runtime:
        posted = runtime.api.invoke(event, seconds=30 if path == "/cancelled" else 0.7)

    assert posted.kind == "error"
    assert "in wait_for_the_database" in "".join(posted.json()["stackTrace"])
    assert "was caused by CancelledError" in "".join(posted.json()["stackTrace"])


def test_a_typed_error_has_the_trace_that_it_was_given() -> None:
    error = TypedError("Runtime.Kind", "message", trace=["a line\n"])
    error.__cause__ = raised(caused)
    report = ErrorReport(error)
    assert (report.type, report.trace[0]) == ("Runtime.Kind", "a line\n")
    assert report.trace[1] == "Runtime.Kind was caused by ValueError: outer\n"
    assert sys.exception() is None


CANCELLING = """
import asyncio, sys, unigate

def call(event, context):
    raise asyncio.CancelledError("a call")

async def awaits(event, context):
    raise asyncio.CancelledError("awaited")

async def cancels_itself(event, context):
    asyncio.current_task().cancel()
    await asyncio.sleep(60)

async def group(event, context):
    raise BaseExceptionGroup("a group", [asyncio.CancelledError()])

def exits(event, context):
    raise BaseExceptionGroup("a group", [SystemExit(3)])

def handler(event, context):
    return globals()[event["name"]](event, context) if event else "answered"
"""


@pytest.mark.parametrize("count", ["0", "2"])
@pytest.mark.parametrize("name", ["call", "awaits", "cancels_itself", "group"])
def test_a_cancellation_fails_its_invocation_only(tmp_path: Path, name: str, count: str) -> None:
    (tmp_path / "cancelling.py").write_text(CANCELLING)
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": count}
    with Function("cancelling.handler", tmp_path, env=env) as runtime:
        posted = runtime.api.invoke({"name": name})

        assert posted.kind == "error"
        assert posted.json()["errorType"] == "ApplicationAborted"
        trace = "".join(posted.json()["stackTrace"])
        assert f"in {name}" in trace
        assert "CancelledError" in trace
        assert runtime.api.invoke({}).json() == "answered"


def test_an_exit_within_a_group_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "cancelling.py").write_text(CANCELLING)
    with Function("cancelling.handler", tmp_path) as runtime:
        assert runtime.api.invoke({"name": "exits"}).json()["errorType"] == "Runtime.ExitError"
        assert runtime.wait() == 1
