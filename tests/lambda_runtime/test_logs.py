"""The log: text, JSON and frames."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.samples import load

from .function import Function

pytestmark = pytest.mark.usefixtures("bounded")

SOURCE = """
import asyncio, logging, threading
log = logging.getLogger("shop")

def handler(event, context):
    log.warning("a %s", "warning", extra={"order": 7})
    log.debug("a detail")
    log.error({"a": "table"})
    try:
        raise KeyError("k")
    except KeyError:
        log.exception("failed")
    asyncio.run(aside())
    context.log("as it is\\n")
    if event.get("fail"):
        raise ValueError("no\\nway")
    return context.aws_request_id

async def aside():
    await asyncio.to_thread(log.warning, "in another thread")
"""


FILTERED = """
import logging

import unigate
from unigate.logging import RequestIDFilter

log = logging.getLogger("shop")
handler = logging.getLogger().handlers[0]
handler.addFilter(RequestIDFilter())
handler.setFormatter(logging.Formatter("%(request_id)s: %(message)s; "))


def site(environ, start_response):
    log.warning("a request")
    start_response("204 No Content", [])
    return []


app = unigate.wrap(site)
log.warning("at the start")


@app.on_event("sqs")
def take(event, context):
    log.warning("an event")
    unigate.wait_until(log.warning, "work after it")


@app.on_event("sns")
async def take_later(event, context):
    log.warning("an event too")
"""


@contextmanager
def function(folder: Path, **env: str) -> Iterator[Function]:
    (folder / "shop.py").write_text(SOURCE)
    with Function("shop.handler", folder, env=env) as runtime:
        yield runtime


def test_text_records_have_level_time_and_request_id(tmp_path: Path) -> None:
    with function(tmp_path) as runtime:
        call = runtime.api.call({}, {})
        call.wait()
        output = runtime.server.output()

        when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        assert re.search(rf"^\[WARNING\]\t{when}\t{call.id}\ta warning$", output, re.M)
        assert re.search(rf"^\[WARNING\]\t{when}\t{call.id}\tin another thread$", output, re.M)
        assert "a detail" not in output
        assert "as it is\n" in output


def test_json_records_have_the_members_of_the_aws_client(tmp_path: Path) -> None:
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "TRACE"}
    with function(tmp_path, **env) as runtime:
        call = runtime.api.call({"fail": 1}, {"Lambda-Runtime-Aws-Tenant-Id": "t"})
        call.wait()
        lines = [
            json.loads(line)
            for line in runtime.server.output().splitlines()
            if line.startswith("{")
        ]
        records: dict[Any, Any] = {str(line.get("message")): line for line in lines}

        warning = records["a warning"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", warning.pop("timestamp"))
        assert warning == {
            "level": "WARNING",
            "message": "a warning",
            "logger": "shop",
            "requestId": call.id,
            "tenantId": "t",
            "order": 7,
        }
        assert records["a detail"]["level"] == "DEBUG"
        assert records["{'a': 'table'}"]["message"] == {"a": "table"}
        failed = records["failed"]
        assert (failed["errorType"], failed["errorMessage"]) == ("KeyError", "'k'")
        assert "shop.py" in failed["stackTrace"][0]
        assert failed["location"].endswith(":handler:12")
        last = lines[-1]
        assert (last["errorType"], last["requestId"]) == ("ValueError", call.id)
        assert last["level"] == "ERROR"


@pytest.mark.parametrize("runtime", ["awslambdaric", "unigate.lambda_runtime"])
def test_the_filter_puts_an_identifier_on_records_of_requests_and_other_events(
    tmp_path: Path, runtime: str
) -> None:
    (tmp_path / "shop.py").write_text(FILTERED)
    with Function("shop.app", tmp_path, runtime=runtime) as run:
        run.api.invoke(load("http_api/get"))
        taken = run.api.call(load("not_http/sqs"))
        taken.wait()
        later = run.api.call(load("not_http/sns"))
        later.wait()
        for line in (
            *("-: at the start", "Qx7wZhJtDoEEMDw=: a request", f"{taken.id}: an event"),
            *(f"{taken.id}: work after it", f"{later.id}: an event too"),
        ):
            run.server.wait_for_output(f"{line};")


def test_an_error_is_one_line_of_text(tmp_path: Path) -> None:
    with function(tmp_path) as runtime:
        runtime.api.invoke({"fail": 1})
        runtime.api.wait_until_idle()
        text = (tmp_path / "log").read_bytes().rpartition(b"[ERROR] ValueError")[2]

        assert text.startswith(b": no\rway\rTraceback (most recent call last):\r")
        assert b'\r\xc2\xa0\xc2\xa0File "' in text
        assert text.count(b"\n") == 1


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_each_record_is_a_frame_if_lambda_reads_frames(tmp_path: Path, log_format: str) -> None:
    (tmp_path / "shop.py").write_text(SOURCE)
    env = {"_LAMBDA_TELEMETRY_LOG_FD": "9", "AWS_LAMBDA_LOG_FORMAT": log_format}

    def with_frames(command: list[str]) -> list[str]:
        return ["sh", "-c", f"exec {' '.join(command)} 9>frames"]

    with Function("shop.handler", tmp_path, env=env, wrap_command=with_frames) as runtime:
        call = runtime.api.call({"fail": 1})
        call.wait()
        runtime.api.wait_until_idle()
        frames = list(read_frames((tmp_path / "frames").read_bytes()))

    kinds = [kind for kind, _ in frames]
    warning, failed = ("13", "17") if log_format == "Text" else ("12", "16")
    assert kinds == [f"a55a00{kind}" for kind in (warning, failed, failed, warning, failed)]
    assert call.id in frames[0][1]
    assert "a warning" in frames[0][1]
    assert "Traceback" in frames[2][1] or "stackTrace" in frames[2][1]
    assert "ValueError" in frames[4][1]
    assert runtime.server.output() == "as it is\n"


def read_frames(data: bytes) -> Iterator[tuple[str, str]]:
    """Return the type and text of each frame; check that its time is within the hour."""
    while data:
        length = int.from_bytes(data[4:8], "big")
        assert abs(int.from_bytes(data[8:16], "big") / 1e6 - time.time()) < 3600
        yield data[:4].hex(), data[16 : 16 + length].decode()
        data = data[16 + length :]


FAILING = """
from unigate.lambda_runtime.errors import ErrorReport
from unigate.lambda_runtime.logs import log_error

try:
    1 / 0
except ZeroDivisionError as error:
    log_error(ErrorReport(error), "id")
"""


def test_an_error_is_one_log_event_and_several_lines_on_a_terminal() -> None:
    command = [sys.executable, "-c", FAILING]
    piped = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
    reader, terminal = pty.openpty()
    try:
        subprocess.run(command, check=True, stdout=terminal, timeout=60)
        shown = os.read(reader, 10_000)
    finally:
        os.close(reader)
        os.close(terminal)

    assert piped.startswith(b"[ERROR] ZeroDivisionError: division by zero\rTraceback")
    assert piped.count(b"\n") == 1
    assert shown.startswith(b"[ERROR] ZeroDivisionError: division by zero\r\nTraceback")
    assert shown.count(b"\r") == shown.count(b"\r\n") > 1


def test_an_unfinished_line_is_written_with_its_invocation(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("def handler(event, context):\n    context.log('a part')\n")
    with Function("part.handler", tmp_path, env={"PYTHONUNBUFFERED": ""}) as runtime:
        runtime.api.invoke({})
        runtime.api.wait_for("next", 2)

        assert runtime.server.output() == "a part"
