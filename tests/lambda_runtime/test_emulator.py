"""AWS's Runtime Interface Emulator drives the runtime, as it drives AWS's own."""

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
    """A function in the emulator."""

    def __init__(self, handler: str, folder: Path, **env: str) -> None:
        arguments = [
            str(emulator()),
            "--runtime-interface-emulator-address=127.0.0.1:{port}",
            f"--runtime-api-address=127.0.0.1:{free_port()}",
            *module("unigate.lambda_runtime", handler),
        ]
        path = f"{ROOT}{os.pathsep}{folder}"
        self.server = Server(arguments, folder / "log", env={"PYTHONPATH": path, **env}, cwd=folder)

    def invoke(self, asked: Any) -> bytes:
        """Return what the function answers to an event."""
        body = json.dumps(asked).encode()
        return ask(self.server.port, INVOCATIONS, "POST", body=body).body


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    made = Emulated(f"{APPS}.app", tmp_path_factory.mktemp("one"), UNIGATE_RESPONSE_STREAMING="1")
    with made.server as server:
        server.wait_until_it_listens()
        yield made


@pytest.mark.parametrize("target", ["/hello", "/v2/hello"])
@pytest.mark.parametrize("source", ["http_api", "alb"])
def test_the_emulator_gets_answers(one: Emulated, target: str, source: str) -> None:
    reply = json.loads(one.invoke(event(target, source)))

    assert (reply["statusCode"], reply["body"]) == (200, "hello")


@pytest.mark.parametrize("target", ["/hello", "/v2/hello"])
def test_the_emulator_hands_a_stream_over_whole(one: Emulated, target: str) -> None:
    told, _, body = one.invoke(event(target)).partition(bytes(8))

    assert json.loads(told)["statusCode"] == 200
    assert body == b"hello"


def test_the_emulator_goes_on_after_a_failure(one: Emulated) -> None:
    answer = json.loads(one.invoke({"neither": "here"}))
    assert answer["errorType"] == "UnknownEvent"

    one.invoke(event("/v2/fail?when=midway"))
    assert json.loads(one.invoke(event("/v2/hello", "alb")))["body"] == "hello"


# What the emulator runs as the runtime, in this place and as a user of Lambda's own. The runtime
# that is tested runs beside it, where it can read what it needs, and answers in its stead.
STAND_IN = """
mount -t tmpfs tmpfs /var && mkdir /var/task /var/runtime &&
printf '#!/bin/sh\\nexec sleep 60' > /var/runtime/bootstrap && chmod 755 /var/runtime/bootstrap &&
exec "$@"
"""


def can_mount() -> bool:
    """Tell whether there may be a file system of one's own: root may have one, mostly."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/var"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="The emulator of managed instances needs /var/runtime.")
def test_the_emulator_of_managed_instances_asks_for_many_at_once(tmp_path: Path) -> None:
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

            def invoke(asked: tuple[int, str]) -> tuple[str, list[str]]:
                number, prefix = asked
                target = f"{prefix}/token?token={number}&seconds=0.1"
                body = json.dumps(event(target, "http_api")).encode()
                answer = ask(server.port, INVOCATIONS, "POST", body=body)
                end = time.monotonic() + 10
                while b"Runtime.Unavailable" in answer.body:  # not as many wait for events yet
                    assert time.monotonic() < end, answer
                    answer = ask(server.port, INVOCATIONS, "POST", body=body)
                reply = answer.json()
                return reply["body"].split()[0], reply["cookies"]

            asked = [(number, ("", "/v2")[number % 2]) for number in range(32)]
            with ThreadPoolExecutor(8) as pool:
                replies = list(pool.map(invoke, asked))

            assert replies == [(str(n), [f"token={n}"]) for n in range(32)]
            assert runtime.output().count("lifespan.startup") == 1
