"""Our Lambda runtime in a process of its own, as a host of an application."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from typing import Any

from unigate.cli.dev.inspector.exchanges import Note, Take
from unigate.cli.project.target import Unloadable
from unigate.client.providers import Provider
from unigate.deployment import Deployment
from unigate.emulator import Context
from unigate.types import Event, Reply

from .reports import Notes
from .runtime_server import RuntimeApi
from .streams import InvocationFailed, Streamed

# Lambda starts a process for each; here a page that is streamed for ever must not keep the others
# waiting. Without --stream, the threads of the server ask the application at once just the same.
# What allows that: "Understanding the Lambda Managed Instances execution environment".
_AT_ONCE = 32
_END_SECONDS = 5
_HANDLER = "unigate.cli.dev.lambda_host.handler:app"


def _ignore(note: Note) -> None:
    """Take what nobody wants to know."""


class RuntimeHost:
    """A host that runs a function as Lambda does, for one event or many at once.

    target: "module:app" or "module.app": a gateway, or an application for one.

    Raises Unloadable where the function does not start.
    """

    def __init__(self, target: str) -> None:
        self._target = target if ":" in target else ":".join(target.rsplit(".", 1))
        self._lock = threading.Lock()
        self._closed = False
        self._function = _Function(self._target)

    def ask(self, event: Event, take: Take = _ignore) -> Reply | Streamed:
        """Return the answer to an event; InvocationFailed where the function gives none.

        A process that has ended is replaced before. The chunks of a streamed answer must be read to
        their end, or closed.

        take: gets notes of what there is to know, from another thread and after the answer too;
            the last is empty.
        """
        with self._lock:
            if self._closed:
                raise InvocationFailed("The function does not run any more.")
            if self._function.is_over:
                self._function.close()
                self._function = self._start_again()
            function = self._function
            cold, function.called = not function.called, True
        take({"cold": cold})
        return function.ask(event, take)

    @property
    def deployment(self) -> Deployment:
        """Return whose headers the application believes."""
        return self._function.deployment

    def _start_again(self) -> _Function:
        try:
            return _Function(self._target)
        except Unloadable as error:
            raise InvocationFailed(error.trace + error.message) from error

    def close(self) -> None:
        """End the process with SIGTERM, and by force if that takes too long."""
        with self._lock:
            self._closed = True
            self._function.close()


class _Function:
    """One process, with a Runtime API for it alone."""

    def __init__(self, target: str) -> None:
        self.called = False
        self.api = RuntimeApi()
        self._notes = Notes()
        pipe = self._notes.other_end
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unigate.lambda_runtime", _HANDLER],
            env={**os.environ, **_environment(self.api.address, target, pipe)},
            pass_fds=[pipe],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for us alone: `close` ends it
        )
        self._notes.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        try:
            self.api.ready.wait()
            if self.api.refusal is not None:
                problem, trace = self.api.refusal
                raise Unloadable(f"{target!r} cannot be loaded: {problem}", trace)
            self.deployment = _deployment(**self._notes.start_note.result())
        except BaseException:
            self.close()
            raise

    @property
    def is_over(self) -> bool:
        """Tell whether the process takes no more events."""
        return self.api.is_ending or self.api.ended.is_set()

    def ask(self, event: Event, take: Take) -> Reply | Streamed:
        """Return the answer to an event; InvocationFailed where there is none."""
        name = str(uuid.uuid4())
        self._notes.expect(name, take)
        return self.api.invoke(name, event)

    def close(self) -> None:
        """End the process, and wait for its end."""
        if not self.api.is_ending:
            self._process.terminate()
        if not self.api.ended.wait(_END_SECONDS):
            self._process.kill()
        self._watcher.join()
        self.api.close()

    def _watch(self) -> None:
        code = self._process.wait()
        name = signal.Signals(-code).name if code < 0 else str(code)
        self.api.end(f"its process ended with {name}")


def _deployment(platform: Any, trusted_proxies: Any) -> Deployment:
    """Return a deployment of what JSON has left of it: a list where there was a Provider."""
    return Deployment(
        Provider(*platform) if isinstance(platform, list) else platform, trusted_proxies
    )


def _environment(address: str, target: str, pipe: int) -> dict[str, str]:
    """Return what Lambda and its emulator tell a function, and what the runtime wants to know."""
    return {
        "UNIGATE_DEV_TARGET": target,
        "UNIGATE_DEV_NOTES": str(pipe),
        "UNIGATE_RESPONSE_STREAMING": "1",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_MAX_CONCURRENCY": str(_AT_ONCE),
        "AWS_LAMBDA_FUNCTION_NAME": Context.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": Context.function_version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": Context.memory_limit_in_mb,
        "AWS_LAMBDA_LOG_GROUP_NAME": Context.log_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": Context.log_stream_name,
    }
