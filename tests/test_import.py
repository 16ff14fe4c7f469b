"""What gets imported when, each time in a fresh interpreter; and the names of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unigate
from tests.lambda_runtime.function import Function, event

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
        "asgiref",
        "asyncio",
        "click",
        "concurrent.futures",
        "decimal",
        "django",
        "fastapi",
        "flask",
        "http",
        "inspect",
        "ipaddress",
        "multiprocessing",
        "redis",
        "rich",
        "socket",
        "starlette",
        "unigate.client.addresses",
        "unigate.cache",
        "unigate.events.alb",
        "unigate.events.generic",
        "unigate.client.geolocation",
        "unigate.client.trust",
        "unigate.platforms",
        "unigate.signatures",
        "unittest",
        "urllib.parse",
        "werkzeug",
    }


def test_the_client_of_a_cache_is_imported_before_the_first_request() -> None:
    assert "redis" in loaded_by("unigate.wrap(wsgi_app, cache='redis://127.0.0.1:1')")
    assert "redis" not in loaded_by("unigate.wrap(wsgi_app, cache='memory://')")
    assert "unigate.cache" not in loaded_by("unigate.wrap(wsgi_app)")


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
    assert loaded & {"unigate.wsgi", "unigate.wsgi_servers"}
    assert not loaded & {"asyncio", "asgiref", "unigate.asgi.runtime", "unigate.loop"}


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
    assert not loaded & {"asgiref"}


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
    assert not loaded & {"asgiref"}


REPORTS_MODULES = """
import sys, unigate

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sys.modules).encode()]

async def asgi_app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": " ".join(sys.modules).encode()})

wsgi = unigate.wrap(app)
asgi = unigate.wrap(asgi_app, lifespan="off")
"""


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("source", ["http_api", "rest_api"])
def test_a_cold_start_loads_only_what_an_answer_needs(
    tmp_path: Path, interface: str, source: str
) -> None:
    (tmp_path / "reports.py").write_text(REPORTS_MODULES)
    with Function(f"reports.{interface}", tmp_path) as made:
        answer = made.api.invoke(event("/orders/7?page=2", source)).json()
    loaded = set(answer["body"].split()) - loaded_by_nothing()

    assert "unigate.lambda_runtime.serving" in loaded
    assert not loaded & NOT_FOR_AN_ANSWER
    if interface == "wsgi":
        assert not loaded & NOT_FOR_WSGI


def loaded_by_nothing() -> set[str]:
    """Return what an interpreter has loaded before anything else, for a measurement for example."""
    code = "import sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


NOT_FOR_AN_ANSWER = {
    *("asgiref", "decimal", "email", "http", "logging.config", "uuid"),
    *(
        "unigate.client.addresses",
        "unigate.cache",
        "unigate.events.alb",
        "unigate.events.generic",
        "unigate.client.geolocation",
    ),
    *("unigate.client.trust", "unigate.platforms", "unigate.signatures", "urllib.parse"),
}
# These cost a WSGI application more than its runtime, or come with asyncio in any case.
NOT_FOR_WSGI = {"asyncio", "base64", "inspect", "selectors", "socket", "ssl", "unigate.loop"}


# All modules of this library that the first reply to an event takes. Each costs a cold start a
# tenth of what other tools add as a whole, so one is added only if that reply needs it.
FIRST_REPLY = {
    "unigate",
    *("unigate.applications", "unigate.context", "unigate.deployment", "unigate.event_gateway"),
    *("unigate.gateway", "unigate.interfaces", "unigate.memo", "unigate.request"),
    "unigate.routing",
    *("unigate.events", "unigate.events.detection", "unigate.events.forwarded"),
    *("unigate.events.http_api", "unigate.events.replies", "unigate.events.sources"),
    *("unigate.http", "unigate.http.bodies", "unigate.http.headers", "unigate.http.hosts"),
    *("unigate.http.response_fields", "unigate.http.responses", "unigate.http.urls"),
}
OF_A_WSGI_APPLICATION = {"unigate.environ", "unigate.http.start_response", "unigate.wsgi"}
OF_A_REST_API = {
    *("unigate.events.rest_api", "unigate.http.identity", "unigate.http.json_values"),
    "unigate.http.public_address",
}
OF_AN_ASGI_APPLICATION = {
    *("unigate.asgi", "unigate.asgi.driver", "unigate.asgi.lifespan", "unigate.asgi.runtime"),
    *("unigate.errors", "unigate.exits", "unigate.forking", "unigate.isolation", "unigate.loop"),
}
IN_AN_OBJECT = """
class Application:
    def __call__(self, environ, start_response):
        return wsgi_app(environ, start_response)
"""


@pytest.mark.parametrize(
    ("made", "more"),
    [
        ("wsgi_app", OF_A_WSGI_APPLICATION),
        ("Application()", OF_A_WSGI_APPLICATION),
        ("asgi_app", OF_AN_ASGI_APPLICATION),
    ],
    ids=["wsgi", "object", "asgi"],
)
@pytest.mark.parametrize("source", ["http_api", "rest_api"])
def test_the_first_reply_loads_these_modules_alone(made: str, more: set[str], source: str) -> None:
    loaded = loaded_by(
        f"{IN_AN_OBJECT}\nreply = unigate.wrap({made}).lambda_handler({event('/', source)!r})\n"
        "assert reply['statusCode'] == 200"
    )
    expected = FIRST_REPLY | more | (OF_A_REST_API if source == "rest_api" else set())
    assert {name for name in loaded if name.split(".")[0] == "unigate"} == expected
    assert not loaded & {"tempfile", "queue", "shutil", "urllib.parse"}


@pytest.mark.parametrize("package", ["unigate.events", "unigate.http"])
def test_a_package_has_the_names_of_its_modules(package: str) -> None:
    loaded_by(
        f"""
import {package} as package

for name in package.__all__:
    assert getattr(package, name) is getattr(package, name), name
assert set(package.__all__) <= set(dir(package))
try:
    package.nothing
except AttributeError as error:
    assert str(error) == "module '{package}' has no attribute 'nothing'"
else:
    raise AssertionError
"""
    )


def test_what_is_not_needed_at_once_is_found_when_it_is_asked_for() -> None:
    loaded = loaded_by(
        """
from unigate import *
from unigate import RuntimeCache

assert vars(unigate).keys() >= {"RuntimeCache", "AsyncRuntimeCache", "Geolocation", "get_env"}
assert RuntimeCache is unigate.RuntimeCache
assert set(unigate.__all__) <= set(dir(unigate))
try:
    unigate.nothing
except AttributeError as error:
    assert str(error) == "module 'unigate' has no attribute 'nothing'"
else:
    raise AssertionError
"""
    )
    assert {"unigate.cache", "unigate.client.geolocation", "unigate.platforms"} <= loaded


def test_all_is_sorted_and_complete() -> None:
    of_the_package = {
        name
        for name, value in vars(unigate).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("unigate")
    }
    assert of_the_package <= set(unigate.__all__)
    assert unigate.__all__ == sorted(set(unigate.__all__))
    for name in unigate.__all__:
        assert getattr(unigate, name).__module__.startswith("unigate")
