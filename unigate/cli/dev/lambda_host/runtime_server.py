"""Lambda's Runtime API, served locally: a function fetches events from it and posts its replies.

Sources: the Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and
"Response streaming for custom runtimes".
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from unigate.emulator import LocalContext
from unigate.errors import FailedInvocation
from unigate.events import http_api
from unigate.types import Event, Reply

from .streams import BodyStream, InvocationError, StreamedReply, read_fields, trace_of

# The longest timeout that Lambda lets a function have.
FUNCTION_SECONDS = 15 * 60
# A fork of the process keeps its connections open and may outlive it.
_SETTLE_SECONDS = 2
_PREFIX = "/2018-06-01/runtime"


class RuntimeServer:
    """The Runtime API for one process, which takes the events and posts the replies.

    Attributes:
        address: "host:port", the value of AWS_LAMBDA_RUNTIME_API.
        ready: Set when the process has asked for an event, or when it never will.
        init_error: If it never will: the problem in a line, and a traceback or "".
        is_exiting: Whether the process has reported that it exits.
        exited: Set when the process has exited.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.init_error: tuple[str, str] | None = None
        self.is_exiting = False
        self.exited = threading.Event()
        self._exit_status = ""
        self._open: dict[str, PendingInvocation] = {}
        self._unread = 0
        self._changed = threading.Condition()
        self._waiting: queue.SimpleQueue[PendingInvocation | None] = queue.SimpleQueue()
        self._server = _TCPServer(("127.0.0.1", 0), partial(_RequestHandler, self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def invoke(self, request_id: str, event: Event) -> Reply | StreamedReply:
        """Pass an event to the function and return its reply.

        Args:
            request_id: A unique identifier of the invocation.
            event: The event.

        Raises:
            InvocationError: The function returned no reply.
        """
        invocation = PendingInvocation(request_id, event)
        self._open[request_id] = invocation
        self._waiting.put(invocation)
        if self.exited.is_set():  # perhaps before this invocation was there to be failed
            self._fail(request_id)
        return invocation.outcome.result()

    def process_exited(self, status: str) -> None:
        """Fail the invocations without an answer; each error from now on names the exit status.

        What the process sent before it exited counts.
        """
        self._exit_status = f": {status}"
        self.exited.set()
        if not self.ready.is_set():
            self.init_error = (self.describe("did not start"), "")
            self.ready.set()
        self._waiting.put(None)
        with self._changed:
            self._changed.wait_for(lambda: not self._unread, _SETTLE_SECONDS)
        for request_id in list(self._open):
            self._fail(request_id)

    def close(self) -> None:
        """Stop accepting connections."""
        self._server.shutdown()
        self._server.server_close()

    def describe(self, problem: str) -> str:
        """Return a sentence about the function, with its process's exit status if it has one."""
        self.exited.wait(0.5)  # its connections close before the exit is noticed
        return f"The function {problem}{self._exit_status}."

    def _fail(self, request_id: str) -> None:
        invocation = self.claim(request_id)
        if invocation is not None:
            error = InvocationError(self.describe("did not answer"))
            invocation.outcome.set_exception(error)

    # --- for the request handlers ----------------------------------------------------------------

    @contextmanager
    def unread(self, connections: int) -> Iterator[None]:
        """Add to the number of connections on which a request may have arrived."""
        with self._changed:
            self._unread += connections
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._unread -= connections
                self._changed.notify_all()

    def next(self) -> PendingInvocation | None:
        """Wait for the next event; None after the process has exited."""
        self.ready.set()
        invocation = self._waiting.get()
        if invocation is None:
            self._waiting.put(None)  # for the next handler that waits
        return invocation

    def claim(self, request_id: str) -> PendingInvocation | None:
        """Return an invocation to the first caller, which has to set its outcome; then None."""
        return self._open.pop(request_id, None)

    def fail_init(self, report: Any) -> None:
        """Store the error report of a function that does not start."""
        # The runtime has logged the traceback of any other error.
        traced = report["errorType"] == "Unloadable"
        self.init_error = report["errorMessage"], "".join(report["stackTrace"]) if traced else ""
        self.ready.set()


class PendingInvocation:
    """An event, and the future that its reply or its error resolves."""

    def __init__(self, request_id: str, event: Event) -> None:
        self.id = request_id
        self.body = json.dumps(event).encode()
        self.outcome: Future[Reply | StreamedReply] = Future()

    def fields(self) -> dict[str, str]:
        """Return the header fields with which the API hands it to a function."""
        now = time.time()
        root = f"1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": str(int((now + FUNCTION_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": LocalContext.invoked_function_arn,
            "Lambda-Runtime-Trace-Id": f"Root={root};Parent={uuid.uuid4().hex[:16]};Sampled=0",
        }


class _TCPServer(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128  # all threads of the process connect at the same time


class _RequestHandler(StreamRequestHandler):
    """A connection of the process.

    Not http.server's handler: error reports come in header fields that exceed its limit.
    """

    disable_nagle_algorithm = True
    wbufsize = -1  # each response leaves in one piece

    def __init__(self, api: RuntimeServer, *args: Any) -> None:
        self._api = api
        super().__init__(*args)

    def handle(self) -> None:
        """Answer the requests of this connection."""
        # The process may have exited, and other programs may probe the port.
        with self._api.unread(1), suppress(OSError, EOFError, ValueError):
            while self._answer():
                self.wfile.flush()

    def _answer(self) -> bool:
        """Answer a request; return False to close the connection."""
        _, path, _ = self.rfile.readline().decode("latin-1").split(" ")
        fields = read_fields(self.rfile)
        if fields.get("host") != self._api.address or "sec-fetch-site" in fields:
            return False  # a page in a browser, perhaps with DNS rebinding
        path = path.removeprefix(_PREFIX)
        if path == "/invocation/next":
            with self._api.unread(-1):
                invocation = self._api.next()
            return invocation is not None and self._send(invocation)
        if path == "/init/error":
            self._api.fail_init(self._read_json(fields))
            return self._accept()
        _, _, request_id, kind = path.split("/")
        invocation = self._api.claim(request_id)
        if invocation is None:
            return False
        with self._api.unread(-1):
            return self._receive(invocation, kind, fields)

    def _receive(self, invocation: PendingInvocation, kind: str, fields: dict[str, str]) -> bool:
        """Read the outcome of an invocation."""
        try:
            if "transfer-encoding" in fields:
                return self._receive_stream(invocation)
            content = self._read_json(fields)
        except Exception as error:
            invocation.outcome.set_exception(error)
            return False
        if kind == "error" and content["errorType"] != FailedInvocation.__name__:
            exits = content["errorType"] == "Runtime.ExitError"
            self._api.is_exiting = self._api.is_exiting or exits
            invocation.outcome.set_exception(InvocationError(trace_of(content)))
        else:
            invocation.outcome.set_result(content)
        return self._accept()

    def _receive_stream(self, invocation: PendingInvocation) -> bool:
        """Lend this connection to the reader of the body until the body is closed."""
        body = BodyStream(self.rfile, self._api.describe)
        prelude = body.read_prelude()
        # A REST API's prelude has the same members, without the cookies.
        response = http_api.from_reply(prelude)
        invocation.outcome.set_result(StreamedReply(prelude, response, body))
        body.closed.wait()
        return body.is_complete and self._accept()

    def _read_json(self, fields: dict[str, str]) -> Any:
        return json.loads(self.rfile.read(int(fields["content-length"])))

    def _accept(self) -> bool:
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        return True

    def _send(self, invocation: PendingInvocation) -> bool:
        fields = {**invocation.fields(), "Content-Length": str(len(invocation.body))}
        head = [f"{name}: {value}" for name, value in fields.items()]
        start = "\r\n".join(["HTTP/1.1 200 OK", *head, "\r\n"])
        self.wfile.write(start.encode("latin-1") + invocation.body)
        return True
