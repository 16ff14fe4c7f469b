"""Measure the cost of a Lambda runtime: ours, and AWS's runtime client with Mangum and apig-wsgi.

Each runs in its own process and gets events from the Runtime API of the tests, in turns. A
measurement lasts from the moment that the API hands out an event until it has read the response.
AWS's client waits for each event in a thread, as on Lambda since Python 3.12, or without one, as
before.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from samples import SMALL_ANSWER, Event, http_api_event, rest_api_event

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.lambda_runtime.runtime_api import Call, RuntimeApi

ROOT = Path(__file__).parents[1]
SECONDS = 20
OURS, AWS = "unigate.lambda_runtime", "awslambdaric"
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
        Contender("unigate", OURS, f"unigate_{interface}", {}),
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


def invocations(folder: str, rounds: int) -> None:
    """Print the added latency and the invocations per second of warm runtimes."""
    binary = random.Random(7).randbytes(1024 * 1024)
    workloads: list[tuple[str, str, Event, int]] = []
    for interface in ("asgi", "wsgi"):
        for source, make in (("HTTP API 2.0", http_api_event), ("REST API v1", rest_api_event)):
            name = f"{interface.upper()}, {source}"
            workloads.append((f"{name}, small", interface, make(b""), 20))
            workloads.append((f"{name}, 1 MiB", interface, make(binary), 4))
    with ExitStack() as stack:
        apis = {
            interface: {
                one.name: stack.enter_context(running(one, folder)) for one in contenders(interface)
            }
            for interface in ("asgi", "wsgi")
        }
        for name, interface, event, count in workloads:
            times: dict[str, list[float]] = {one: [] for one in apis[interface]}
            rates: dict[str, list[float]] = {one: [] for one in apis[interface]}
            for _ in range(rounds):
                for one in random.sample(list(times), len(times)):
                    api = apis[interface][one]
                    took(api, event)
                    begun = time.perf_counter()
                    each = [took(api, event) for _ in range(count)]
                    rates[one].append(count / (time.perf_counter() - begun))
                    times[one].append(sum(each) / count)
            report(name, "microseconds", times, 1e6, rates)


def report(
    name: str,
    unit: str,
    times: dict[str, list[float]],
    scale: float,
    rates: dict[str, list[float]] | None = None,
) -> None:
    """Print a block: medians, and medians of the ratios within each round."""
    titles = [unit, "ours / this", *(["per second", "ours / this"] if rates else [])]
    print(f"\n{name:<40}{''.join(f'{title:>14}' for title in titles)}")
    for one, theirs in times.items():
        shown = [f"{median(theirs) * scale:.1f}", ratio(times, one)]
        if rates:
            shown += [f"{median(rates[one]):.0f}", ratio(rates, one)]
        print(f"  {one:<38}{''.join(f'{text:>14}' for text in shown)}", flush=True)


def ratio(measured: dict[str, list[float]], one: str) -> str:
    """Return the median of the ratios of ours to another runtime within each round."""
    if one == "unigate":
        return ""
    rounds = zip(measured["unigate"], measured[one], strict=True)
    return f"{median(mine / other for mine, other in rounds):.3f}"


def cold_starts(folder: str, rounds: int) -> None:
    """Print the time from the start of a process to its first response."""
    for interface in ("asgi", "wsgi"):
        found = contenders(interface)
        times: dict[str, list[float]] = {one.name: [] for one in found}
        for number in range(rounds + 1):
            for one in random.sample(found, len(found)):
                begun = time.perf_counter()
                with running(one, folder) as api:
                    check(api.call(http_api_event(b"")))
                    if number:  # the first one compiles its imports
                        times[one.name].append(time.perf_counter() - begun)
        report(f"{interface.upper()}, cold start", "milliseconds", times, 1e3)


def events(folder: str) -> None:
    """Print the delay of server-sent events between sending and arrival."""
    event = http_api_event(b"")
    event["requestContext"]["domainName"] = "x.lambda-url.us-east-1.on.aws"
    late: list[float] = []
    with running(Contender("unigate", OURS, "events", {}), folder) as api:
        for _ in range(5):
            call = api.call(event)
            while (part := call.part()) is not None:
                if part.startswith(b"data: "):
                    late.append(time.time() - float(part[6:]))
    print(f"\n{len(late)} server-sent events, from sending to arrival")
    print(f"  median {median(late) * 1e6:.0f} microseconds, longest {max(late) * 1e3:.1f} ms")


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40, help="rounds (default 40)")
    parser.add_argument("--starts", type=int, default=15, help="cold starts of each (default 15)")
    options = parser.parse_args()
    versions = (f"{name} {version(name)}" for name in (AWS, "mangum", "apig-wsgi"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores,", ", ".join(versions))
    print(f"(responses of {len(SMALL_ANSWER)} bytes, or of 1 MiB in base64)")
    with tempfile.TemporaryDirectory() as folder:
        for name, source in {**HANDLERS, "events": EVENTS_APP}.items():
            Path(folder, f"{name}.py").write_text(source)
        steps: list[Callable[[], Any]] = [
            lambda: invocations(folder, options.rounds),
            lambda: cold_starts(folder, options.starts),
            lambda: events(folder),
        ]
        for step in steps:
            step()


if __name__ == "__main__":
    main()
