"""Applications that do not know `root_path`, below mounts, stages and base paths."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import falcon.asgi
import muffin
import pytest

import unigate
from tests.hosts import HOSTS, ask_asgi
from unigate import Gateway, Headers, Request, Response

# The doors that a root path comes through, each once.
DOORS = ("asgi", "wsgi", "generic", "handle", "http_api", "rest_api", "google", "azure")
every_door = pytest.mark.parametrize("door", DOORS)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    seen = {"root_path": scope["root_path"], "path": scope["path"]}
    body = json.dumps(seen | {"raw_path": scope["raw_path"].decode()}).encode()
    fields = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def ask(door: str, gateway: Gateway, path: bytes, root_path: str = "") -> Response:
    headers = Headers([("host", "example.org")])
    return HOSTS[door](gateway, Request("GET", path, headers=headers, root_path=root_path))


def seen(door: str, gateway: Gateway, path: bytes, root_path: str = "") -> Any:
    response = ask(door, gateway, path, root_path)
    assert response.status == 200
    return tuple(json.loads(response.body).values())


# --- the path ------------------------------------------------------------------------------------


@every_door
@pytest.mark.parametrize(
    ("raw", "path", "rest"),
    [
        (b"/v2/users", "/users", b"/users"),
        (b"/v2", "/", b"/"),
        (b"/v2/", "/", b"/"),
        (b"/v2//x", "//x", b"//x"),
        (b"/v2/v2/x", "/v2/x", b"/v2/x"),
        (b"/v2/caf%C3%A9", "/caf\xe9", b"/caf%C3%A9"),
        (b"/v2/a%20b", "/a b", b"/a%20b"),
        (b"/v%32/x", "/x", b"/x"),
        (b"/v2%2Fx", "/x", b"/x"),
    ],
)
def test_a_mount_gets_the_path_below_it(door: str, raw: bytes, path: str, rest: bytes) -> None:
    gateway = unigate.wrap(mounts={"/v2": unigate.without_prefix(echo)})
    assert seen(door, gateway, raw) == ("/v2", path, rest.decode())


@every_door
def test_an_escape_after_the_prefix_stays(door: str) -> None:
    gateway = unigate.wrap(mounts={"/v2": unigate.without_prefix(echo)})
    root_path, path, raw = seen(door, gateway, b"/v2/a%2Fb")
    assert (root_path, path) == ("/v2", "/a/b")
    # An HTTP API has decoded it.
    assert raw == ("/a/b" if door in ("http_api", "handle") else "/a%2Fb")


@pytest.mark.parametrize("prefix", ["/caf\xe9", "/a b", "/a/b/c"])
def test_a_prefix_is_found_as_it_was_sent(prefix: str) -> None:
    gateway = unigate.wrap(mounts={prefix: unigate.without_prefix(echo)})
    sent = prefix.replace("\xe9", "%c3%a9").replace(" ", "%20").encode() + b"/x%2Fy"
    assert seen("generic", gateway, sent) == (prefix, "/x/y", "/x%2Fy")


@every_door
def test_the_root_application_gets_it_without_the_base_path(door: str) -> None:
    gateway = unigate.wrap(unigate.without_prefix(echo), base_path="/shop")
    assert seen(door, gateway, b"/shop/x") == ("/shop", "/x", "/x")
    assert seen(door, gateway, b"/x") == ("", "/x", "/x")
    assert seen(door, gateway, b"/shopping") == ("", "/shopping", "/shopping")


@pytest.mark.parametrize("door", ["asgi", "http_api", "rest_api"])
def test_stage_base_path_and_mount_add_up(door: str) -> None:
    mounts = {"/in": unigate.without_prefix(echo)}
    gateway = unigate.wrap(unigate.without_prefix(echo), mounts=mounts, base_path="/shop")
    assert seen(door, gateway, b"/prod/x", "/prod") == ("/prod", "/x", "/x")
    assert seen(door, gateway, b"/prod/shop/in/x", "/prod") == ("/prod/shop/in", "/x", "/x")


def test_what_is_not_below_the_prefix_is_left_alone() -> None:
    app = unigate.without_prefix(echo)
    request = Request("GET", b"/x", root_path="/proxy")
    assert json.loads(ask_asgi(app, request).body) == {
        "root_path": "/proxy",
        "path": "/x",
        "raw_path": "/x",
    }


def test_a_long_path_is_read_up_to_the_prefix_alone() -> None:
    gateway = unigate.wrap(mounts={"/v2": unigate.without_prefix(echo)})
    raw = b"/v2" + b"/" * 100_000
    assert seen("generic", gateway, raw) == ("/v2", "/" * 100_000, "/" * 100_000)
    assert seen("generic", gateway, b"/v2%2F" + b"/" * 100_000)[1] == "/" * 100_001


def test_a_lifespan_and_a_websocket_pass() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()

    inner = unigate.without_prefix(app)
    gateway = unigate.wrap(mounts={"/live": inner})
    gateway.start()
    assert scopes[0]["type"] == "lifespan"
    socket = {"type": "websocket", "path": "/live/chat", "raw_path": b"/live/chat", "headers": []}
    gateway.runtime.loop.run(gateway.asgi(socket, _nothing, _nothing))
    gateway.stop()
    assert (scopes[1]["type"], scopes[1]["path"]) == ("websocket", "/chat")


async def _nothing(*args: Any) -> Any:
    return {"type": "websocket.connect"}


def echo_environ(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]


@every_door
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/v2/users", ["", "/users"]),
        (b"/v2", ["", "/"]),
        (b"/v2/", ["", "/"]),
        (b"/v2/v2/x", ["", "/v2/x"]),
    ],
)
def test_a_wsgi_application_gets_an_empty_script_name(
    door: str, path: bytes, expected: list[str]
) -> None:
    app = unigate.without_prefix(echo_environ, keep_root_path=False)
    gateway = unigate.wrap(mounts={"/v2": app})
    assert json.loads(ask(door, gateway, path).body) == expected


@pytest.mark.parametrize("door", ["asgi", "http_api", "rest_api"])
def test_stage_base_path_and_mount_are_taken_from_a_wsgi_application(door: str) -> None:
    app = unigate.without_prefix(echo_environ, keep_root_path=False)
    gateway = unigate.wrap(app, mounts={"/in": app}, base_path="/shop")
    for path in (b"/prod/x", b"/prod/shop/x", b"/prod/shop/in/x"):
        assert json.loads(ask(door, gateway, path, "/prod").body) == ["", "/x"]


def test_a_wsgi_application_without_a_prefix_is_left_alone() -> None:
    gateway = unigate.wrap(unigate.without_prefix(echo_environ, keep_root_path=False))
    assert json.loads(ask("wsgi", gateway, b"/x").body) == ["", "/x"]


def test_a_wsgi_application_that_would_get_the_same_is_refused() -> None:
    with pytest.raises(ValueError, match=r"without_prefix\(application, keep_root_path=False\)"):
        unigate.without_prefix(echo_environ)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("app", [echo, echo_environ])
def test_a_gateway_is_refused(app: Any, keep: bool) -> None:
    with pytest.raises(TypeError, match=r"Write wrap\(without_prefix\(application\)\)"):
        unigate.without_prefix(unigate.wrap(app), keep_root_path=keep)


def test_an_import_string_and_a_factory_are_taken() -> None:
    assert unigate.without_prefix("tests.test_prefixes:echo") is not echo
    with pytest.raises(unigate.UnknownInterface):
        unigate.without_prefix(7)


# --- frameworks ----------------------------------------------------------------------------------


def falcon_app() -> Any:
    class Users:
        async def on_get(self, request: Any, response: Any) -> None:
            response.media = {"path": request.path, "uri": request.uri}

    app = falcon.asgi.App()
    app.add_route("/users", Users())
    return app


def muffin_app() -> Any:
    app = muffin.Application()

    @app.route("/users")
    async def users(request: Any) -> Any:
        return {"path": request.path}

    return app


def without_prefix(framework: str, app: Any) -> Any:
    return unigate.without_prefix(app, keep_root_path=framework == "falcon")


def before_path_app() -> Any:
    """Return a WSGI application that puts SCRIPT_NAME before its path, as Microdot's do."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        start_response(
            "200 OK" if path == "/users" else "404 Not Found", [("Content-Type", "text/plain")]
        )
        return [json.dumps({"path": path}).encode()]

    return app


FRAMEWORKS = {"falcon": falcon_app, "muffin": muffin_app, "before the path": before_path_app}


@every_door
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_is_found_below_a_mount(door: str, framework: str) -> None:
    app = FRAMEWORKS[framework]()
    gateway = unigate.wrap(mounts={"/plain": app, "/v2": without_prefix(framework, app)})
    # muffin sends its 404 without a Content-Type, for which the validator of "wsgi" fails.
    assert ask(door, gateway, b"/plain/users").status != 200
    response = ask(door, gateway, b"/v2/users")
    assert response.status == 200
    assert json.loads(response.body)["path"] == "/users"


SANIC = """
import sanic

import unigate

app = sanic.Sanic("site", configure_logging=False)


@app.get("/users")
async def users(request):
    return sanic.json({"path": request.path})


for application in (app, unigate.without_prefix(app)):
    event = {"httpMethod": "GET", "path": "/v2/users"}
    mounts = {"/v2": application}
    lifespan = "on" if application is app else "off"  # once: a site starts in a process once
    print(unigate.wrap(mounts=mounts, lifespan=lifespan)(event, None)["statusCode"])
"""


def test_sanic_is_found_below_a_mount() -> None:
    # In a process of its own, because Sanic rewrites its classes for one site.
    ran = subprocess.run([sys.executable, "-c", SANIC], capture_output=True, text=True, timeout=60)
    assert ran.stdout.split() == ["404", "200"], ran.stderr


@every_door
def test_an_empty_root_path_can_be_wanted(door: str) -> None:
    gateway = unigate.wrap(mounts={"/v2": unigate.without_prefix(echo, keep_root_path=False)})
    assert seen(door, gateway, b"/v2/x") == ("", "/x", "/x")


@every_door
def test_links_keep_the_prefix(door: str) -> None:
    gateway = unigate.wrap(mounts={"/v2": unigate.without_prefix(falcon_app())})
    about = json.loads(ask(door, gateway, b"/v2/users").body)
    assert about["uri"].endswith("://example.org/v2/users")


def test_the_interface_can_be_named_where_it_cannot_be_determined() -> None:
    def logged(*args: Any) -> Any:
        return echo_environ(*args)

    with pytest.raises(unigate.UnknownInterface, match='interface="wsgi"'):
        unigate.without_prefix(logged, keep_root_path=False)
    app = unigate.without_prefix(logged, keep_root_path=False, interface="wsgi")
    gateway = unigate.wrap(mounts={"/v2": app})
    assert gateway({"httpMethod": "GET", "path": "/v2/users"}, None)["statusCode"] == 200
    wrong: Any = "fastcgi"
    with pytest.raises(ValueError, match='interface must be "asgi" or "wsgi", got \'fastcgi\''):
        unigate.without_prefix(logged, interface=wrong)
