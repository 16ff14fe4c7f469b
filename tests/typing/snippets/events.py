"""Functions for events, and work after the response."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import unigate
from unigate.events.batches import each_record

app = unigate.wrap("main:site")


@app.on_event("sqs", queue="orders")
@each_record
def order(record: dict[str, Any], context: object) -> None: ...


@app.on_event("kinesis")
@each_record
async def reading(record: dict[str, Any], context: unigate.Request) -> None: ...


order({}, None)
order({})  # refused
reading({}, None)  # refused


@each_record  # refused
def without_a_record() -> None: ...


@app.on_event("schedule", rule="nightly")
def tidy(event: dict[str, Any], context: object) -> str:
    return "tidied"


@app.on_event("s3")
async def store(event: Any, context: Any) -> None: ...


assert_type(tidy({}, None), str)


@app.on_event  # refused
def without_a_kind(event: Any, context: Any) -> None: ...


@app.on_event("sqs")  # refused
def without_a_context(event: Any) -> None: ...


@app.on_event("sqs", queue=7)  # refused
def of_a_number(event: Any, context: Any) -> None: ...


def send(address: str, times: int = 1) -> bool:
    return True


async def send_later(address: str) -> None: ...


unigate.wait_until(send, "ada@example.org")
unigate.wait_until(send, "ada@example.org", 2)
unigate.wait_until(print, "sent", 2)
unigate.wait_until(send_later("ada@example.org"))
unigate.wait_until(asyncio.sleep(1))
unigate.wait_until(send, 7)  # refused
unigate.wait_until(send)  # refused
unigate.wait_until(send("ada@example.org"))  # refused
unigate.wait_until("send")  # refused


def remaining(request: unigate.Request) -> None:
    request.wait_until(send, "ada@example.org")
    request.wait_until(send, 7)  # refused
    assert_type(request.remaining_time(), float | None)
