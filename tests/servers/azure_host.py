"""The host's end of Microsoft's Python worker: its messages as JSON lines in place of gRPC.

    python -m tests.servers.azure_host <folder of the function app>

The first line out says what the worker can do and which functions there are. Each line in is an
invocation, `{"function", "id", "http"}`; the line out is what the worker wants back to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import azure_functions_runtime as worker


class Message(SimpleNamespace):
    """A message of any type; what a choice holds is its last field."""

    def WhichOneof(self, group: str) -> str:
        return list(vars(self))[-1]


class Messages:
    """The types of messages by name, with the values of their enumerations."""

    def __getattr__(self, name: str) -> Any:
        return type(name, (Message,), _ENUMERATIONS.get(name, {}))


_SAME_SITE = {name: name for name in ("None", "Lax", "Strict", "ExplicitNone")}
_ENUMERATIONS: dict[str, dict[str, Any]] = {
    "BindingInfo": {"undefined": 0, "in": 0, "out": 1, "inout": 2},
    "RpcHttpCookie": {"SameSite": type("SameSite", (), _SAME_SITE)},
    "StatusResult": {"Success": "success", "Failure": "failure"},
}


def message(**content: Any) -> Any:
    properties = {"host": "127.0.0.1", "protos": Messages()}
    return SimpleNamespace(request=Message(**content), properties=properties)


def fields(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else vars(value)


def tell(line: Any) -> None:
    print(json.dumps(line, default=fields), flush=True)


async def until_it_listens(address: str) -> None:
    """Wait for the server that the worker has started on this loop."""
    url = urlsplit(address)
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.close()
            return
        await asyncio.sleep(0.01)


async def serve(folder: str) -> None:
    """Start the worker and pass it what comes in."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    worker.start_threadpool_executor()
    start = Message(function_app_directory=folder, capabilities={})
    started = await worker.worker_init_request(message(worker_init_request=start))
    if "HttpUri" in started.capabilities:
        await until_it_listens(started.capabilities["HttpUri"])
    known = await worker.functions_metadata_request(message())
    functions = known.function_metadata_results or []
    tell({"started": started, "functions": [function.name for function in functions]})
    ids = {function.name: function.function_id for function in functions}

    async def invoke(line: dict[str, Any]) -> None:
        http = {"method": "", "url": "", "headers": {}, "params": {}, "query": {}, **line["http"]}
        body = http.pop("body", None)
        content = Message(bytes=body.encode("latin-1")) if body else Message(none=None)
        content.WhichOneof = lambda group: "bytes" if body else None
        http_data = Message(http=Message(**http, body=content))
        invocation = Message(
            invocation_id=line["id"],
            function_id=ids[line["function"]],
            input_data=[Message(name="req", data=http_data)],
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await worker.invocation_request(message(invocation_request=invocation))
        tell({"result": answer.result, "return": getattr(answer, "return_value", None)})

    tasks = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        tasks.add(asyncio.create_task(invoke(json.loads(line))))
    os._exit(0)  # the worker's own server has no end


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
