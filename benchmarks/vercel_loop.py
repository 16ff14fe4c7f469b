"""Measure a WSGI application under Vercel's Python runtime: its own WSGI loop, and the gateway.

The runtime (`vercel-runtime`, Python 3.12 or later) calls a WSGI application in a loop of its own,
and a gateway as an ASGI application. A measurement lasts from the connection to the whole response.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from rounds import UNIGATE, Result, compare, in_rounds, parser, show, table

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers.processes import Server, module
from tests.servers.test_vercel import Platform

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 50
PEERS = ("vercel-runtime", "flask")
LOOP = "vercel-runtime's WSGI loop"
WSGI = "from samples import wsgi_app as inner\n"
FLASK = "from frameworks import flask_app\ninner = flask_app()\n"
APPLICATIONS = {"WSGI": WSGI, "Flask": FLASK}
AROUND = {
    UNIGATE: "import unigate\napp = unigate.wrap(inner)\n",
    LOOP: "app = inner\n",
}


def start(source: str, folder: Path, stack: ExitStack) -> int:
    """Start a runtime with an application until the stack closes, and return its port."""
    folder.mkdir()
    path = f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'benchmarks')!r}]\n"
    Path(folder, "main.py").write_text(path + source)
    env = {
        "VERCEL_IPC_PATH": str(folder / "ipc"),
        "__VC_HANDLER_ENTRYPOINT": "main.py",
        "__VC_HANDLER_ENTRYPOINT_ABS": str(folder / "main.py"),
        "__VC_HANDLER_MODULE_NAME": "main",
        "__VC_HANDLER_VARIABLE_NAME": "app",
    }
    platform = stack.enter_context(Platform(folder / "ipc"))
    command = module("vercel_runtime.vc_init")
    stack.enter_context(Server(command, folder / "log", env=env, cwd=folder))
    port: int = platform.wait_for("server-started")["httpPort"]
    return port


def ask(port: int) -> None:
    """Send one request; exit if the response is wrong."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/orders/7")
    response = connection.getresponse()
    body: Any = response.read()
    connection.close()
    if response.status != 200 or b"shipped" not in body:
        raise SystemExit(f"The response must have status 200, got {response.status} {body!r}")


def measure(port: int) -> float:
    """Return the mean microseconds of a request."""
    ask(port)
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        ask(port)
    return (time.perf_counter() - begun) / REQUESTS * 1e6


def run(rounds: int) -> list[Result]:
    """Measure all applications in turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        groups = {
            f"{kind}, a request": {
                name: partial(measure, start(inner + around, folder / f"{kind}{number}", stack))
                for number, (name, around) in enumerate(AROUND.items())
            }
            for kind, inner in APPLICATIONS.items()
        }
        samples = in_rounds(groups, rounds)
    return [row for name in groups for row in compare(name, "microseconds", samples[name])]


def main() -> None:
    """Read the command line, measure, print."""
    options = parser(__doc__, rounds=20).parse_args()
    results = run(options.rounds)
    show(results, PEERS, options.json, table(results))


if __name__ == "__main__":
    main()
