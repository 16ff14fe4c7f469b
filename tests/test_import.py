"""What gets imported when, each time in a fresh interpreter; and the names of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import unigate

ROOT = Path(__file__).parent.parent
APPS = """
import sys

before = set(sys.modules)
import unigate

EVENT = {"path": "/", "httpMethod": "GET"}


def wsgi_app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi"]


async def asgi_app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})
"""


def loaded_by(code: str) -> set[str]:
    """Run code after `APPS` and return the modules that are there because of it and unigate."""
    report = "print(*sorted(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{APPS}\n{code}\n{report}"],
        capture_output=True,
        cwd=ROOT,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_by("")
    assert "unigate.gateway" in loaded
    assert not loaded & {
        "a2wsgi",
        "asgiref",
        "asyncio",
        "click",
        "concurrent.futures",
        "django",
        "fastapi",
        "flask",
        "http.server",
        "multiprocessing",
        "redis",
        "rich",
        "starlette",
        "unittest",
        "werkzeug",
    }


WSGI_INVOCATION = "assert app.lambda_handler(EVENT)['body'] == 'wsgi'"
WSGI_REQUEST = """
from wsgiref.util import setup_testing_defaults
environ = {"PATH_INFO": EVENT["path"]}
setup_testing_defaults(environ)
assert b"".join(app.wsgi(environ, lambda status, headers, exc_info=None: None)) == b"wsgi"
"""


@pytest.mark.parametrize("invocation", [WSGI_INVOCATION, WSGI_REQUEST])
@pytest.mark.parametrize(
    "wrapping",
    [
        "app = unigate.wrap(wsgi_app)",
        "app = unigate.wrap(lambda: wsgi_app)",
        "app = unigate.wrap(wsgi_app, mounts={'/v2': asgi_app})",
        "app = unigate.wrap(asgi_app, mounts={'/x': asgi_app, '/y': wsgi_app}, lifespan='on')\n"
        "EVENT['path'] = '/y'",
    ],
)
def test_wsgi_never_imports_asyncio(wrapping: str, invocation: str) -> None:
    loaded = loaded_by(f"{wrapping}\n{invocation}")
    assert "unigate.wsgi" in loaded
    assert not loaded & {"asyncio", "a2wsgi", "asgiref", "unigate.running", "unigate.loop"}


def test_unmatched_path_never_imports_asyncio() -> None:
    loaded = loaded_by(
        "app = unigate.wrap(mounts={'/v2': asgi_app})\n"
        "assert app.lambda_handler(EVENT)['statusCode'] == 404"
    )
    assert "asyncio" not in loaded


def test_asgi_invocation_imports_no_bridge() -> None:
    loaded = loaded_by(
        "app = unigate.wrap(asgi_app)\nassert app.lambda_handler(EVENT)['body'] == 'asgi'"
    )
    assert "asyncio" in loaded
    assert not loaded & {"a2wsgi", "asgiref"}


def test_asgi_request_of_a_server_imports_no_bridge() -> None:
    loaded = loaded_by(
        """
import asyncio

app = unigate.wrap(asgi_app)
sent = []


async def send(message):
    sent.append(message)


scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
asyncio.run(app.asgi(scope, None, send))
assert sent[-1]["body"] == b"asgi"
"""
    )
    assert not loaded & {"a2wsgi", "asgiref"}


def test_all_is_sorted_and_complete() -> None:
    public = {
        name
        for name, value in vars(unigate).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(unigate.__all__) == public - {"annotations"}
    assert unigate.__all__ == sorted(set(unigate.__all__))
