"""Measure what unigate and other tools add to the first reply of a new process.

The application is imported before the clock starts. Then come the import of the tool, the wrapping
of the application, and the reply to one event of an HTTP API. README.md in this folder explains the
table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from statistics import median

from samples import http_api_event
from versions import machine

# What every Lambda runtime has loaded before it imports a handler.
BEFORE = "import json, logging, sys, time\nevent = json.loads(sys.argv[1])\n"
APPLICATIONS = {
    "WSGI": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]
""",
    "Flask": """
import flask
app = flask.Flask("orders")
@app.get("/orders/<int:number>")
def order(number):
    return {"id": number}
""",
    "Django": """
import django.conf, django.core.wsgi, django.http, django.urls
def order(request, number):
    return django.http.JsonResponse({"id": number})
urlpatterns = [django.urls.path("orders/<int:number>", order)]
django.conf.settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
app = django.core.wsgi.get_wsgi_application()
""",
    "ASGI": """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
""",
    "FastAPI": """
import fastapi
app = fastapi.FastAPI()
@app.get("/orders/{number}")
async def order(number: int):
    return {"id": number}
""",
}
WSGI = ("WSGI", "Flask", "Django")
PEERS = ("apig-wsgi", "serverless-wsgi", "mangum", "flask", "django", "fastapi")
# With bytecode, as after the first start of all.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

ALONE = "application alone"
UNIGATE = "unigate"
WSGI_TOOLS = {
    ALONE: """
import io
environ = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/orders/7",
    "QUERY_STRING": event["rawQueryString"], "SERVER_NAME": "localhost", "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "https",
    "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": False,
    "wsgi.multiprocess": False, "wsgi.run_once": False, "HTTP_HOST": "localhost",
}
reply = {}
body = app(environ, lambda status, headers: reply.update(statusCode=int(status[:3])))
b"".join(body)
""",
    UNIGATE: """
import unigate
reply = unigate.wrap(app).lambda_handler(event, None)
""",
    "apig-wsgi": """
import apig_wsgi
reply = apig_wsgi.make_lambda_handler(app)(event, None)
""",
    "serverless-wsgi": """
import serverless_wsgi
reply = serverless_wsgi.handle_request(app, event, None)
""",
}
ASGI_TOOLS = {
    ALONE: """
import asyncio
scope = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.0"}, "http_version": "1.1",
    "method": "GET", "scheme": "https", "path": "/orders/7", "raw_path": b"/orders/7",
    "query_string": event["rawQueryString"].encode(), "root_path": "",
    "headers": [(b"host", b"localhost")], "server": ("localhost", 443), "client": None,
}
reply = {}
async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}
async def send(message):
    reply.setdefault("statusCode", message.get("status"))
loop = asyncio.new_event_loop()
loop.run_until_complete(app(scope, receive, send))
""",
    UNIGATE: WSGI_TOOLS[UNIGATE],
    "mangum": """
import mangum
reply = mangum.Mangum(app)(event, None)
""",
    "mangum lifespan=off": """
import mangum
reply = mangum.Mangum(app, lifespan="off")(event, None)
""",
}
AFTER = """
end = time.perf_counter(), time.process_time()
assert reply["statusCode"] == 200, reply
print(end[0] - start[0], end[1] - start[1])
"""
TARGETS = {("Flask", "apig-wsgi"): 2.0, ("FastAPI", "mangum"): 0.95}


MEASURES = ("wall", "least", "processor", "instructions")


@dataclass(frozen=True)
class Result:
    """One tool around one application.

    Attributes:
        application: The application.
        tool: The tool, or the application alone.
        measured: The first reply, that of the application included, by measure. "wall" is the
            median of the rounds and "least" the least, "processor" the median of the time in which
            a processor worked for the process, all in milliseconds; "instructions" are millions, of
            the whole process.
        added: `measured` less that of the application alone; empty for that.
        ratios: `added` of unigate divided by that of this tool; empty for unigate.
        target: The most that the ratios should be, or None.
    """

    application: str
    tool: str
    measured: dict[str, float]
    added: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    target: float | None = None


def tools_of(application: str) -> dict[str, str]:
    """Return the code of the tools for an application, by name."""
    return WSGI_TOOLS if application in WSGI else ASGI_TOOLS


def command(application: str, tool: str) -> list[str]:
    """Return the command of a process that prints the seconds of its first reply."""
    code = f"{BEFORE}{APPLICATIONS[application]}\nstart = time.perf_counter(), time.process_time()"
    code += f"{tools_of(application)[tool]}{AFTER}"
    return [sys.executable, "-c", code, json.dumps(http_api_event(b""))]


def milliseconds(application: str, tool: str) -> tuple[float, float]:
    """Return what the first reply of a new process takes: of the clock, and of a processor."""
    output = subprocess.check_output(
        command(application, tool), stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    wall, processor = (float(number) * 1000 for number in output.split())
    return wall, processor


def instructions(application: str, tool: str) -> float:
    """Return the millions of instructions of a new process with its first reply."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        + command(application, tool),
        capture_output=True,
        text=True,
        check=True,
        env={**ENVIRONMENT, "PYTHONHASHSEED": "0"},
    )
    collected = re.search(r"Collected : (\d+)", run.stderr)
    assert collected is not None, run.stderr
    return int(collected[1]) / 1e6


def measure(applications: list[str], rounds: int, *, counted: bool) -> list[Result]:
    """Run each tool around each application, in a new random order each time."""
    pairs = [(name, tool) for name in applications for tool in tools_of(name)]
    for pair in pairs:
        milliseconds(*pair)  # writes the bytecode
    times: dict[tuple[str, str], list[tuple[float, float]]] = {pair: [] for pair in pairs}
    for _ in range(rounds):
        for pair in random.sample(pairs, len(pairs)):
            times[pair].append(milliseconds(*pair))
    measured = {}
    for pair, taken in times.items():
        walls, processors = zip(*taken, strict=True)
        measured[pair] = dict(
            zip(MEASURES, (median(walls), min(walls), median(processors)), strict=False)
        )
        if counted:
            measured[pair]["instructions"] = instructions(*pair)
    return [compared(pair, measured) for pair in measured]


def compared(pair: tuple[str, str], measured: dict[tuple[str, str], dict[str, float]]) -> Result:
    """Return a result with what the tool adds to the application alone, and the ratios."""
    application, tool = pair
    values, alone, ours = (
        measured[pair],
        measured[application, ALONE],
        measured[application, UNIGATE],
    )
    if tool == ALONE:
        return Result(application, tool, values)
    added = {name: value - alone[name] for name, value in values.items()}
    ratios = {name: (ours[name] - alone[name]) / value for name, value in added.items()}
    target = TARGETS.get(pair)
    return Result(application, tool, values, added, ratios if tool != UNIGATE else {}, target)


def table(results: list[Result]) -> Iterator[str]:
    """Yield the lines of a table: what a tool adds, and for the application alone what it takes."""
    yield ", ".join(f"{name} {value}" for name, value in machine(PEERS).items())
    yield ""
    yield f"{'':<34}{'added: ms, million instructions':^56}{'ours / this':^56}"
    yield " " * 34 + "".join(f"{name:>14}" for name in MEASURES * 2)
    for row in results:
        values = row.added or row.measured
        cells = [values.get(name) for name in MEASURES] + [row.ratios.get(n) for n in MEASURES]
        line = "".join(f"{'' if cell is None else f'{cell:.2f}':>14}" for cell in cells)
        goal = f"  <= {row.target:.2f}" if row.target else ""
        yield f"{f'{row.application}, {row.tool}':<34}{line}{goal}".rstrip()


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("applications", nargs="*", help=f"of {', '.join(APPLICATIONS)}; all")
    parser.add_argument("--rounds", type=int, default=30, help="processes of each (default 30)")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions too, with valgrind"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    chosen = options.applications or list(APPLICATIONS)
    if options.rounds < 1 or not set(chosen) <= set(APPLICATIONS):
        parser.error(f"takes at least 1 round, and applications of {', '.join(APPLICATIONS)}")
    results = measure(chosen, options.rounds, counted=options.instructions)
    if options.json:
        rows = [asdict(row) for row in results]
        print(json.dumps({"machine": machine(PEERS), "results": rows}, indent=2))
    else:
        print(*table(results), sep="\n")


if __name__ == "__main__":
    main()
