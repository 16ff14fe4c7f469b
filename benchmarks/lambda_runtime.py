"""Measure the cost of a Lambda runtime: ours, and AWS's runtime client with Mangum and apig-wsgi.

Each runs in its own process and gets events from the Runtime API of the tests, in turns. A
measurement lasts from the moment that the API hands out an event until it has read the response.
AWS's client waits for each event in a thread, as on Lambda since Python 3.12, or without one, as
before.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rounds import UNIGATE, Result, compare, in_rounds, parser, show, table
from samples import Event, http_api_event, rest_api_event

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.lambda_runtime.runtime_api import Call, RuntimeApi

ROOT = Path(__file__).parents[1]
SECONDS = 20
OURS, AWS = "unigate.lambda_runtime", "awslambdaric"
PEERS = (AWS, "mangum", "apig-wsgi", "orjson", "pybase64")
LARGE_TARGET = 0.25
WITH_THREAD = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}
HANDLERS = {
    "unigate_asgi": "import unigate\nfrom samples import asgi_app\napp = unigate.wrap(asgi_app)\n",
    "unigate_wsgi": "import unigate\nfrom samples import wsgi_app\napp = unigate.wrap(wsgi_app)\n",
    "mangum_asgi": (
        "import asyncio\nfrom mangum import Mangum\nfrom samples import asgi_app\n"
        "asyncio.set_event_loop(asyncio.new_event_loop())\n"
        "app = Mangum(asgi_app, lifespan='off')\n"
    ),
    "apig_wsgi_wsgi": (
        "from apig_wsgi import make_lambda_handler\nfrom samples import wsgi_app\n"
        "app = make_lambda_handler(wsgi_app, binary_support=True)\n"
    ),
}
EVENTS_APP = """
import asyncio, time, unigate
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(50):
        body = b"data: %.9f\\n\\n" % time.time()
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body"})
app = unigate.wrap(app, lifespan="off")
"""


class Contender(NamedTuple):
    """A runtime and the handler that it runs."""

    name: str
    runtime: str
    handler: str
    env: dict[str, str]


def contenders(interface: str) -> list[Contender]:
    """Return ours first, then the others."""
    peer = {"asgi": "mangum", "wsgi": "apig_wsgi"}[interface]
    module = f"{peer}_{interface}"
    return [
        Contender(UNIGATE, OURS, f"unigate_{interface}", {}),
        Contender(f"awslambdaric, {peer}", AWS, module, WITH_THREAD),
        Contender(f"awslambdaric, {peer}, no thread", AWS, module, {}),
    ]


@contextmanager
def running(contender: Contender, folder: str) -> Iterator[RuntimeApi]:
    """Run a runtime until the end of the block."""
    with RuntimeApi() as api:
        env = {
            **os.environ,
            **contender.env,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks"), folder]),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "PYTHONDONTWRITEBYTECODE": "",  # compile every module once, not in every process
            "PYTHONPYCACHEPREFIX": str(Path(folder, "pycache")),
        }
        if contender.handler == "events":
            env["UNIGATE_RESPONSE_STREAMING"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-m", contender.runtime, f"{contender.handler}.app"],
            env=env,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield api
        finally:
            process.kill()
            process.wait(SECONDS)


def took(api: RuntimeApi, event: Event) -> float:
    """Return the seconds from event to response; exit if the response is wrong."""
    del api.happened[:]
    call = api.call(event)
    check(call)
    times = {kind: when for kind, _, when in api.happened if kind in ("given", "answered")}
    return times["answered"] - times["given"]


def check(call: Call) -> None:
    """Wait for a response; exit if its status is not 200."""
    reply = call.wait().json()
    if reply.get("statusCode") != 200:
        raise SystemExit(f"The reply must have status 200, got {str(reply)[:200]}")


def invocations(folder: str, rounds: int) -> Iterator[Result]:
    """Yield the added latency and the invocations per second of warm runtimes."""
    binary = random.Random(7).randbytes(1024 * 1024)
    groups: dict[str, dict[str, Callable[[], tuple[float, float]]]] = {}
    with ExitStack() as stack:
        for interface in ("asgi", "wsgi"):
            apis = {
                one.name: stack.enter_context(running(one, folder)) for one in contenders(interface)
            }
            for source, make in (("HTTP API 2.0", http_api_event), ("REST API v1", rest_api_event)):
                for size, body, count in (("small", b"", 20), ("1 MiB", binary, 4)):
                    groups[f"{interface.upper()}, {source}, {size}"] = {
                        one: partial(latency_and_rate, api, make(body), count)
                        for one, api in apis.items()
                    }
        samples = in_rounds(groups, rounds)
    for name, taken in samples.items():
        latencies, rates = ({one: [t[i] for t in taken[one]] for one in taken} for i in (0, 1))
        targets = dict.fromkeys(taken, LARGE_TARGET) if "1 MiB" in name else {}
        yield from compare(name, "microseconds", latencies, targets=targets)
        yield from compare(name, "per second", rates)


def latency_and_rate(api: RuntimeApi, event: Event, count: int) -> tuple[float, float]:
    """Return the mean microseconds from event to response, and the invocations per second."""
    took(api, event)
    begun = time.perf_counter()
    each = [took(api, event) for _ in range(count)]
    return sum(each) / count * 1e6, count / (time.perf_counter() - begun)


def cold_starts(folder: str, rounds: int) -> Iterator[Result]:
    """Yield the time from the start of a process to its first response."""
    for interface in ("asgi", "wsgi"):
        starts = {one.name: partial(cold_start, one, folder) for one in contenders(interface)}
        in_rounds({interface: starts}, 1)  # compiles the imports
        samples = in_rounds({interface: starts}, rounds)[interface]
        yield from compare(f"{interface.upper()}, cold start", "milliseconds", samples)


def cold_start(contender: Contender, folder: str) -> float:
    """Return the milliseconds from the start of a process to its first response."""
    begun = time.perf_counter()
    with running(contender, folder) as api:
        check(api.call(http_api_event(b"")))
        return (time.perf_counter() - begun) * 1e3


def events(folder: str) -> list[Result]:
    """Return the delay of server-sent events between sending and arrival."""
    event = http_api_event(b"")
    event["requestContext"]["domainName"] = "x.lambda-url.us-east-1.on.aws"
    late: list[float] = []
    with running(Contender(UNIGATE, OURS, "events", {}), folder) as api:
        for _ in range(5):
            call = api.call(event)
            while (part := call.part()) is not None:
                if part.startswith(b"data: "):
                    late.append((time.time() - float(part[6:])) * 1e6)
    return compare("server-sent events, from sending to arrival", "microseconds", {UNIGATE: late})


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=40)
    arguments.add_argument("--starts", type=int, default=15, help="cold starts of each, default 15")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, source in {**HANDLERS, "events": EVENTS_APP}.items():
            Path(folder, f"{name}.py").write_text(source)
        results = [
            *invocations(folder, options.rounds),
            *cold_starts(folder, options.starts),
            *events(folder),
        ]
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
