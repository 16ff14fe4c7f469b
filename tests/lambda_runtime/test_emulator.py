"""The runtime in AWS's Runtime Interface Emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.servers.client import ask
from tests.servers.fetch_rie import emulator
from tests.servers.processes import ROOT, Server, free_port, module

from .function import APPS, event

pytestmark = pytest.mark.usefixtures("bounded")
INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Emulated:
    """A function that runs in the emulator."""

    def __init__(self, handler: str, folder: Path, **env: str) -> None:
        arguments = [
            str(emulator()),
            "--runtime-interface-emulator-address=127.0.0.1:{port}",
            f"--runtime-api-address=127.0.0.1:{free_port()}",
            *module("unigate.lambda_runtime", handler),
        ]
        path = f"{ROOT}{os.pathsep}{folder}"
        self.server = Server(arguments, folder / "log", env={"PYTHONPATH": path, **env}, cwd=folder)

    def invoke(self, payload: Any) -> bytes:
        """Return the function's response to an event."""
        body = json.dumps(payload).encode()
        return ask(self.server.port, INVOCATIONS, "POST", body=body).body


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    emulated = Emulated(
        f"{APPS}.app", tmp_path_factory.mktemp("emulated"), UNIGATE_RESPONSE_STREAMING="1"
    )
    with emulated.server as server:
        server.wait_until_it_listens()
        yield emulated


@pytest.mark.parametrize("target", ["/hello", "/v2/hello"])
@pytest.mark.parametrize("source", ["http_api", "alb"])
def test_the_emulator_gets_responses(emulated: Emulated, target: str, source: str) -> None:
    reply = json.loads(emulated.invoke(event(target, source)))

    assert (reply["statusCode"], reply["body"]) == (200, "hello")


@pytest.mark.parametrize("target", ["/hello", "/v2/hello"])
def test_the_emulator_returns_a_streamed_response_whole(emulated: Emulated, target: str) -> None:
    prelude, _, body = emulated.invoke(event(target)).partition(bytes(8))

    assert json.loads(prelude)["statusCode"] == 200
    assert body == b"hello"


def test_the_emulator_continues_after_an_error(emulated: Emulated) -> None:
    answer = json.loads(emulated.invoke({"neither": "here"}))
    assert answer["errorType"] == "UnknownEvent"

    emulated.invoke(event("/v2/fail?when=midway"))
    assert json.loads(emulated.invoke(event("/v2/hello", "alb")))["body"] == "hello"


# The emulator runs /var/runtime/bootstrap as a separate user. This is a stand-in; the runtime under
# test runs beside it, where it can read its files, and takes the invocations.
STAND_IN = """
mount -t tmpfs tmpfs /var && mkdir /var/task /var/runtime &&
printf '#!/bin/sh\\nexec sleep 60' > /var/runtime/bootstrap && chmod 755 /var/runtime/bootstrap &&
exec "$@"
"""


def can_mount() -> bool:
    """Return True if this process may mount a file system; usually only root may."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/var"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="The emulator of managed instances needs /var/runtime.")
def test_the_emulator_of_managed_instances_invokes_concurrently(tmp_path: Path) -> None:
    many = {"AWS_LAMBDA_MAX_CONCURRENCY": "8"}
    api = f"127.0.0.1:{free_port()}"
    arguments = [
        *("unshare", "--mount", "sh", "-c", STAND_IN, "sh", str(emulator())),
        "--runtime-interface-emulator-address=127.0.0.1:{port}",
        f"--runtime-api-address={api}",
        "runtime",
    ]
    runtime = Server(
        module("unigate.lambda_runtime", f"{APPS}.app"),
        tmp_path / "log",
        env={"AWS_LAMBDA_RUNTIME_API": api, **many},
    )
    with Server(arguments, tmp_path / "emulator", env=many) as server:
        server.wait_for_output("LocalProcessSupervisor.Exec")
        with runtime:
            runtime.wait_for_output("lifespan.startup")
            server.wait_until_it_listens()

            def invoke(numbered: tuple[int, str]) -> tuple[str, list[str]]:
                number, prefix = numbered
                target = f"{prefix}/token?token={number}&seconds=0.1"
                body = json.dumps(event(target, "http_api")).encode()
                answer = ask(server.port, INVOCATIONS, "POST", body=body)
                end = time.monotonic() + 10
                while b"Runtime.Unavailable" in answer.body:  # fewer threads wait so far
                    assert time.monotonic() < end, answer
                    answer = ask(server.port, INVOCATIONS, "POST", body=body)
                reply = answer.json()
                return reply["body"].split()[0], reply["cookies"]

            targets = [(number, ("", "/v2")[number % 2]) for number in range(32)]
            with ThreadPoolExecutor(8) as pool:
                replies = list(pool.map(invoke, targets))

            assert replies == [(str(n), [f"token={n}"]) for n in range(32)]
            assert runtime.output().count("lifespan.startup") == 1
