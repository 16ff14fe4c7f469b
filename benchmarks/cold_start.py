"""Measure what unigate and other tools add to the first reply of a new process.

The application is imported before the clock starts. Then come the import of the tool, the wrapping
of the application, and the reply to one event of an HTTP API. README.md in this folder explains the
lines.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from rounds import UNIGATE, Result, compare_added, in_rounds, parser, show, table
from samples import http_api_event

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
TARGETS = {"Flask": {"apig-wsgi": 2.0}, "FastAPI": {"mangum": 0.95}}


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
    """Return what the first reply takes around each application, and what each tool adds.

    Args:
        applications: Names of `APPLICATIONS`.
        rounds: Processes of each tool.
        counted: Whether the instructions of one more process are counted.
    """
    groups: dict[str, dict[str, Callable[[], tuple[float, float]]]] = {
        name: {tool: partial(milliseconds, name, tool) for tool in tools_of(name)}
        for name in applications
    }
    in_rounds(groups, 1)  # writes the bytecode
    results = []
    for name, taken in in_rounds(groups, rounds).items():
        targets = TARGETS.get(name)
        for index, measured in enumerate(("first reply", "first reply: CPU")):
            samples = {tool: [times[index] for times in both] for tool, both in taken.items()}
            results += compare_added(
                f"{name}, {measured}", "milliseconds", samples, targets=targets
            )
        if counted:
            counts = {tool: [instructions(name, tool)] for tool in tools_of(name)}
            results += compare_added(
                f"{name}, first reply: instructions", "millions", counts, targets=targets
            )
    return results


def main() -> None:
    """Read the command line, measure, print."""
    arguments = parser(__doc__, rounds=30)
    arguments.add_argument("applications", nargs="*", help=f"of {', '.join(APPLICATIONS)}; all")
    arguments.add_argument(
        "--instructions", action="store_true", help="count instructions too, with valgrind"
    )
    options = arguments.parse_args()
    chosen = options.applications or list(APPLICATIONS)
    if not set(chosen) <= set(APPLICATIONS):
        arguments.error(f"applications must be of {', '.join(APPLICATIONS)}, got {chosen}")
    results = measure(chosen, options.rounds, counted=options.instructions)
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
