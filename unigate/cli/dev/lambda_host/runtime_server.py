"""Lambda's Runtime API, played locally: a function takes events from it and posts its answers.

Sources: the Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and
"Response streaming for custom runtimes".
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from unigate.emulator import Context
from unigate.events import http_api
from unigate.types import Event, Reply

from .streams import Chunks, InvocationFailed, Streamed, read_fields, trace_of

# The longest that Lambda lets a function run.
_FUNCTION_SECONDS = 15 * 60
_PREFIX = "/2018-06-01/runtime"


class RuntimeApi:
    """The API for one process: the events that it is to answer, and what it says of itself.

    `ready` is set when it has asked for an event, or when it never will: then `refusal` says why,
    in a line, and a traceback. `is_ending` is set when it has reported that it ends.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.refusal: tuple[str, str] | None = None
        self.is_ending = False
        self.ended = threading.Event()
        self._how = ""
        self._open: dict[str, _Invocation] = {}
        self._waiting: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", 0), partial(_Connection, self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def invoke(self, name: str, event: Event) -> Reply | Streamed:
        """Return the answer to an event; InvocationFailed where there is none.

        name: the request id, which is another for each.
        """
        invocation = _Invocation(name, event)
        self._open[invocation.id] = invocation
        self._waiting.put(invocation)
        if self.ended.is_set():  # perhaps before it was there to be given up
            self._give_up()
        return invocation.outcome.result()

    def end(self, how: str) -> None:
        """Give up what is open, because the process has ended, and say how in all errors."""
        self._how = f": {how}"
        self.ended.set()
        if not self.ready.is_set():
            self.refusal = (self.describe("did not start"), "")
            self.ready.set()
        self._give_up()
        self._waiting.put(None)

    def close(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()

    def describe(self, what: str) -> str:
        """Say what the function did, and how its process has ended, where it has."""
        self.ended.wait(0.5)  # its connections were closed before that
        return f"The function {what}{self._how}."

    def _give_up(self) -> None:
        for name in list(self._open):
            invocation = self.claim(name)
            if invocation is not None:
                error = InvocationFailed(self.describe("did not answer"))
                invocation.outcome.set_exception(error)

    # --- what its connections say ----------------------------------------------------------------

    def next(self) -> _Invocation | None:
        """Return the next event as soon as there is one; None where there will be none."""
        self.ready.set()
        invocation = self._waiting.get()
        if invocation is None:
            self._waiting.put(None)  # for the next one that waits
        return invocation

    def claim(self, name: str) -> _Invocation | None:
        """Return an invocation to whoever is first to say what became of it."""
        return self._open.pop(name, None)

    def refuse(self, report: Any) -> None:
        """Take note of why the function does not start."""
        # Of anything else the runtime has logged a traceback.
        traced = report["errorType"] == "Unloadable"
        self.refusal = report["errorMessage"], "".join(report["stackTrace"]) if traced else ""
        self.ready.set()


class _Invocation:
    """An event, and what becomes of it."""

    def __init__(self, name: str, event: Event) -> None:
        self.id = name
        self.body = json.dumps(event).encode()
        self.outcome: Future[Reply | Streamed] = Future()

    def fields(self) -> dict[str, str]:
        """Return what the API says of it when it gives it to a function."""
        now = time.time()
        root = f"1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": str(int((now + _FUNCTION_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": Context.invoked_function_arn,
            "Lambda-Runtime-Trace-Id": f"Root={root};Parent={uuid.uuid4().hex[:16]};Sampled=0",
        }


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128  # every thread of the process connects at once


class _Connection(StreamRequestHandler):
    """A connection of the process; http.server takes no header field as long as its traces are."""

    disable_nagle_algorithm = True
    wbufsize = -1  # what is written goes out as one

    def __init__(self, api: RuntimeApi, *args: Any) -> None:
        self._api = api
        super().__init__(*args)

    def handle(self) -> None:
        """Answer request after request."""
        # Of a process that has ended, or of somebody else who tries all ports.
        with suppress(OSError, EOFError, ValueError):
            while (line := self.rfile.readline()) and self._answer(line.decode("latin-1")):
                self.wfile.flush()

    def _answer(self, line: str) -> bool:
        """Answer a request; False where the connection ends with it."""
        _, path, _ = line.split(" ")
        fields = read_fields(self.rfile)
        if fields.get("host") != self._api.address or "sec-fetch-site" in fields:
            return False  # a page in a browser, whatever name it has for us
        path = path.removeprefix(_PREFIX)
        if path == "/invocation/next":
            invocation = self._api.next()
            return invocation is not None and self._give(invocation)
        if path == "/init/error":
            self._api.refuse(self._read_json(fields))
            return self._accept()
        _, _, name, kind = path.split("/")
        invocation = self._api.claim(name)
        return invocation is not None and self._settle(invocation, kind, fields)

    def _settle(self, invocation: _Invocation, kind: str, fields: dict[str, str]) -> bool:
        """Read what became of an invocation, for who waits for it."""
        try:
            if "transfer-encoding" in fields:
                return self._stream(invocation)
            told = self._read_json(fields)
        except Exception as error:
            invocation.outcome.set_exception(error)
            return False
        if kind == "error":
            self._api.is_ending = self._api.is_ending or told["errorType"] == "Runtime.ExitError"
            invocation.outcome.set_exception(InvocationFailed(trace_of(told)))
        else:
            invocation.outcome.set_result(told)
        return self._accept()

    def _stream(self, invocation: _Invocation) -> bool:
        """Leave this connection to who reads the answer, for as long as that takes."""
        chunks = Chunks(self.rfile, self._api.describe)
        prelude = chunks.read_prelude()
        # A REST API's has the same members, but for cookies.
        response = http_api.from_reply(prelude)
        invocation.outcome.set_result(Streamed(prelude, response, chunks))
        chunks.over.wait()
        return chunks.is_whole and self._accept()

    def _read_json(self, fields: dict[str, str]) -> Any:
        return json.loads(self.rfile.read(int(fields["content-length"])))

    def _accept(self) -> bool:
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        return True

    def _give(self, invocation: _Invocation) -> bool:
        fields = {**invocation.fields(), "Content-Length": str(len(invocation.body))}
        head = [f"{name}: {value}" for name, value in fields.items()]
        start = "\r\n".join(["HTTP/1.1 200 OK", *head, "\r\n"])
        self.wfile.write(start.encode("latin-1") + invocation.body)
        return True
