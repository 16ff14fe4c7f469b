"""Functions in files, and the requests that they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.projects import write
from unigate import Gateway, Request, Response
from unigate.cli.vercel.function_folder import FunctionFolder
from unigate.emulator import make_request
from unigate.events import vercel

# A function that answers with the name of its module, and the path and query that it gets.
ECHO = """
def app(environ, start_response):
    start_response("200 OK", [])
    target = environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
    return [f"{__name__} {target}".encode("latin-1")]
"""


def functions(root: Path, *names: str) -> None:
    """Write functions, by their paths below api/ without the suffix."""
    write(root, {f"api/{name}.py": ECHO for name in names})


def opened(root: Path, **configuration: Any) -> FunctionFolder:
    """Open api/ with this vercel.json."""
    if configuration:
        (root / "vercel.json").write_text(json.dumps(configuration))
    return FunctionFolder(root / "api")


def ask(
    folder: FunctionFolder, target: str, method: str = "GET", body: bytes = b""
) -> Response | None:
    """Send a request to its function as Vercel does; return None for a 404."""
    match = folder.gateway_of(request_for(target, method, body))
    return None if match is None else invoke(*match)


def request_for(target: str, method: str = "GET", body: bytes = b"") -> Request:
    """Make a request with exactly this path, valid or not."""
    path, _, query = target.partition("?")
    request = make_request(method, f"https://localhost/?{query}", body=body)
    request.raw_path = path.encode("latin-1")
    return request


def invoke(gateway: Gateway, request: Request) -> Response:
    return vercel.from_reply(gateway.lambda_handler(vercel.make_event(request)))


def text(folder: FunctionFolder, target: str) -> str | None:
    """Return the body of the response to a GET request, or None for a 404."""
    response = ask(folder, target)
    return None if response is None else response.body.decode("utf-8", "replace")
