"""A live request whose client may go away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unigate.asgi.disconnects import DisconnectWatcher

pytestmark = pytest.mark.usefixtures("bounded")
BODY = {"type": "http.request", "body": b"x", "more_body": False}
PART = {"type": "http.response.body", "body": b"x", "more_body": True}


async def _never() -> Any:
    await asyncio.Event().wait()


def test_nothing_is_read_or_sent_for_a_client_that_has_gone() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        raise OSError("gone")

    async def scenario() -> None:
        connection = DisconnectWatcher(receive, send)

        async def answer() -> None:
            await connection.send(PART)
            await connection.send(PART)
            assert connection.gone
            assert (await connection.receive())["type"] == "http.disconnect"
            assert (await connection.receive())["type"] == "http.disconnect"

        await connection.run(answer())

    asyncio.run(scenario())
    assert sent == [PART]


def test_server_that_fails_to_read_counts_as_a_client_that_has_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def receive() -> Any:
        raise ValueError("broken server")

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def scenario() -> None:
        connection = DisconnectWatcher(receive, send)

        async def answer() -> None:
            assert (await connection.receive())["type"] == "http.disconnect"

        await connection.run(answer())

    asyncio.run(scenario())
    assert "broken server" in caplog.text


def test_answer_goes_on_when_the_server_stops_waiting_and_sends_to_nobody() -> None:
    sent: list[Any] = []
    ended: list[bool] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def scenario() -> None:
        connection = DisconnectWatcher(_never, send)
        cancelled = asyncio.Event()

        async def answer() -> None:
            await connection.send(PART)
            await asyncio.wait_for(cancelled.wait(), 10)
            await connection.send(PART)
            ended.append(connection.gone)

        waiting = asyncio.create_task(connection.run(answer()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        cancelled.set()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert sent == [PART]
    assert ended == [True]
