"""AWS's runtime client for Python and its emulator of Lambda, around the gateway.

The emulator takes events by HTTP and hands them to the runtime as Lambda's own service does.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import unigate
from unigate.events import alb, http_api, rest_api
from unigate.http import Headers
from unigate.request import Request

from . import plain_asgi, plain_wsgi
from .client import ask
from .fetch_rie import emulator
from .processes import ROOT, Server, free_port, module

INVOCATIONS = "/2015-03-31/functions/function/invocations"

INDEX = """
import os

import unigate
from tests.servers import plain_wsgi
from tests.servers.mixed_app import app

raising = unigate.wrap(plain_wsgi.app, on_error="raise")
print("process", os.getpid(), flush=True)
"""


class Function:
    """A function in the emulator."""

    def __init__(self, handler: str, folder: Path) -> None:
        (folder / "index.py").write_text(INDEX, "utf-8")
        runtime = module("awslambdaric", handler)
        arguments = [
            str(emulator()),
            "--runtime-interface-emulator-address=127.0.0.1:{port}",
            f"--runtime-api-address=127.0.0.1:{free_port()}",
            *runtime,
        ]
        env = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            # As Lambda's images say it: since 3.12 the client waits for events in a thread, so
            # that Python gets to handle signals.
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        }
        self.server = Server(arguments, folder / "log", env=env, cwd=folder)

    def invoke(self, event: dict[str, Any]) -> Any:
        """Return what the function answers to an event."""
        body = json.dumps(event).encode()
        return ask(self.server.port, INVOCATIONS, "POST", body=body).json()


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    made = Function("index.app", tmp_path_factory.mktemp("lambda"))
    with made.server as server:
        server.wait_until_it_listens()
        yield made


def request_for(target: str) -> Request:
    path, _, query = target.partition("?")
    return Request(
        "POST",
        path.encode(),
        query_string=query.encode(),
        headers=Headers(
            [
                ("host", "shop.example"),
                ("content-type", "text/plain; charset=utf-8"),
                ("cookie", "a=1; b=2"),
            ]
        ),
        body="été".encode(),
        server=("shop.example", 443),
        client=("192.0.2.7", 0),
    )


def told(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply with its body read, if it is JSON, and without the state of a lifespan."""
    if reply["body"].startswith("{"):
        reply = {**reply, "body": json.loads(reply["body"])}
        reply["body"].pop("state", None)
    return reply


@pytest.mark.parametrize("source", [http_api, rest_api, alb], ids=["http_api", "rest_api", "alb"])
@pytest.mark.parametrize(
    "target", ["/caf%C3%A9?a=1&a=%20", "/v2/caf%C3%A9?a=1&a=%20", "/cookies", "/v2/empty"]
)
def test_replies_are_those_of_a_call_in_process(
    function: Function, source: Any, target: str
) -> None:
    event = source.make_event(request_for(target))
    gateway = unigate.wrap(plain_wsgi.app, mounts={"/v2": plain_asgi.app}, lifespan="off")

    reply = told(function.invoke(event))

    assert reply == told(json.loads(json.dumps(gateway.lambda_handler(event))))
    assert reply["statusCode"] == {"/cookies": 201, "/v2/empty": 204}.get(target, 200)


@pytest.mark.parametrize("prefix", ["", "/v2"], ids=["wsgi-application", "asgi-application"])
def test_the_application_sees_the_request(function: Function, prefix: str) -> None:
    event = http_api.make_event(request_for(f"{prefix}/caf%C3%A9?a=1&a=%20"))

    body = json.loads(function.invoke(event)["body"])

    assert body["interface"] == ("asgi" if prefix else "wsgi")
    assert (body["root"], body["path"], body["query"]) == (prefix, f"{prefix}/café", "a=1&a=%20")
    assert (body["method"], body["length"], body["client"]) == ("POST", 5, "192.0.2.7")
    assert ["cookie", "a=1; b=2"] in body["headers"]


def test_a_failure_is_a_plain_500_and_a_traceback_in_the_log(function: Function) -> None:
    reply = function.invoke(http_api.make_event(request_for("/fail?of=wsgi")))

    assert (reply["statusCode"], reply["body"]) == (500, "Internal Server Error")
    function.server.wait_for_output("RuntimeError: a detail for the log: of=wsgi")


def test_what_is_no_request_is_an_error_of_the_function(function: Function) -> None:
    answer = function.invoke({"Records": [], "neither": "here"})

    assert answer["errorType"] == "UnknownEvent"
    assert "'neither'" in answer["errorMessage"]


def test_a_failure_is_raised_where_that_is_asked_for(tmp_path: Path) -> None:
    made = Function("index.raising", tmp_path)
    with made.server as server:
        server.wait_until_it_listens()

        answer = made.invoke(http_api.make_event(request_for("/fail?of=raising")))

        assert answer["errorType"] == "RuntimeError"
        assert answer["errorMessage"] == "a detail for the log: of=raising"
        reply = made.invoke(http_api.make_event(request_for("/x")))
        assert reply["statusCode"] == 200


def test_the_lifespan_runs_once_and_ends_at_sigterm(tmp_path: Path) -> None:
    made = Function("index.app", tmp_path)
    with made.server as server:
        server.wait_until_it_listens()
        for _ in range(3):
            body = json.loads(made.invoke(http_api.make_event(request_for("/v2/x")))["body"])
            assert body["state"] == "at startup"
        assert server.output().count("lifespan.startup") == 1
        assert "lifespan.shutdown" not in server.output()

        # Lambda signals the runtime itself; the emulator only knows how to kill it.
        found = re.search(r"^process (\d+)$", server.output(), re.MULTILINE)
        assert found is not None
        os.kill(int(found[1]), signal.SIGTERM)

        server.wait_for_output("lifespan.shutdown")
