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
from dataclasses import asdict, dataclass
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
taken = time.perf_counter() - start
assert reply["statusCode"] == 200, reply
print(taken)
"""
TARGETS = {("Flask", "apig-wsgi"): 2.0, ("FastAPI", "mangum"): 0.95}


@dataclass(frozen=True)
class Result:
    """One tool around one application.

    Attributes:
        application: The application.
        tool: The tool, or the application alone.
        milliseconds: The median over the rounds, with the first reply of the application itself.
        least: The least of the rounds.
        instructions: Millions of instructions of the whole process, or None.
        added: The median less that of the application alone; None for that.
        added_least: The same for the least.
        added_instructions: The same for the instructions.
        ratio: `added` of unigate divided by that of this tool; None for unigate and without a tool.
        ratio_least: The same for `added_least`.
        ratio_instructions: The same for `added_instructions`.
        target: The most that `ratio` should be, or None.
    """

    application: str
    tool: str
    milliseconds: float
    least: float
    instructions: float | None
    added: float | None = None
    added_least: float | None = None
    added_instructions: float | None = None
    ratio: float | None = None
    ratio_least: float | None = None
    ratio_instructions: float | None = None
    target: float | None = None


def tools_of(application: str) -> dict[str, str]:
    """Return the code of the tools for an application, by name."""
    return WSGI_TOOLS if application in WSGI else ASGI_TOOLS


def command(application: str, tool: str) -> list[str]:
    """Return the command of a process that prints the seconds of its first reply."""
    code = f"{BEFORE}{APPLICATIONS[application]}\nstart = time.perf_counter()"
    code += f"{tools_of(application)[tool]}{AFTER}"
    return [sys.executable, "-c", code, json.dumps(http_api_event(b""))]


def milliseconds(application: str, tool: str) -> float:
    """Return what the first reply of a new process takes."""
    output = subprocess.check_output(
        command(application, tool), stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    return float(output) * 1000


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
    times: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for _ in range(rounds):
        for pair in random.sample(pairs, len(pairs)):
            times[pair].append(milliseconds(*pair))
    counts = {pair: instructions(*pair) if counted else None for pair in pairs}
    measured = {
        (name, tool): Result(name, tool, median(taken), min(taken), counts[name, tool])
        for (name, tool), taken in times.items()
    }
    return [compared(result, measured) for result in measured.values()]


def compared(result: Result, measured: dict[tuple[str, str], Result]) -> Result:
    """Return a result with what it adds to the application alone, and the ratios."""
    if result.tool == ALONE:
        return result
    alone, ours = (measured[result.application, tool] for tool in (ALONE, UNIGATE))
    columns = (("milliseconds", "added", "ratio"), ("least", "added_least", "ratio_least"))
    columns += (("instructions", "added_instructions", "ratio_instructions"),)
    values = asdict(result)
    for column, added, ratio in columns:
        value, base, mine = (getattr(each, column) for each in (result, alone, ours))
        if value is not None:
            values[added] = value - base
            values[ratio] = None if result is ours else (mine - base) / (value - base)
    return Result(**values | {"target": TARGETS.get((result.application, result.tool))})


def table(results: list[Result]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield ", ".join(f"{name} {value}" for name, value in machine(PEERS).items())
    yield ""
    yield f"{'':<34}{'added, ms':^20}{'added,':>14}  {'ours / this':^30}"
    yield f"{'':<34}{'median':>10}{'least':>10}{'million instr.':>16}{'':>2}" + "".join(
        f"{name:>12}" for name in ("median", "least", "instr.")
    )
    for row in results:
        cells = [row.added, row.added_least, row.added_instructions]
        cells += [row.ratio, row.ratio_least, row.ratio_instructions]
        if row.tool == ALONE:  # what the others are compared with
            cells = [row.milliseconds, row.least, row.instructions, None, None, None]
        texts = ["" if cell is None else f"{cell:.2f}" for cell in cells]
        widths = (10, 10, 16, 14, 12, 12)
        line = "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
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
