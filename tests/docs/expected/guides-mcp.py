from __future__ import annotations

import asyncio
from typing import Any

import main
import mangum
import pytest

from unigate.testing import Client, Response

ACCEPT = {"accept": "application/json, text/event-stream"}


def add(client: Client, number: int) -> Response:
    params = {"name": "add", "arguments": {"a": number, "b": 1}}
    call = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return client.post("/mcp", headers=ACCEPT, json=call)


def test_warm_calls_are_answered() -> None:
    client = Client(main.app)
    for number in range(3):
        result = add(client, number).json()["result"]
        assert result["structuredContent"] == {"result": number + 1}


@pytest.mark.filterwarnings("ignore")
def test_a_lifespan_for_each_invocation_fails_at_the_second() -> None:
    event: Any = add(Client(main.app), 1).event
    api = main.server.streamable_http_app(stateless_http=True, json_response=True)
    event["headers"]["host"] = "localhost:8000"
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        handler = mangum.Mangum(api)
        handler(event, None)  # type: ignore[arg-type]
        with pytest.raises(mangum.exceptions.LifespanFailure):
            handler(event, None)  # type: ignore[arg-type]
