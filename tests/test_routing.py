"""Routing by prefix, and the paths that each application receives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unigate
from tests.hosts import HOSTS, ask_asgi, ask_wsgi
from unigate import Gateway, Headers, Request
from unigate.routing import Mount, Router

# Each door once, `lambda_handler` with the plainest event.
DOORS = {name: HOSTS[name] for name in ("asgi", "wsgi", "generic", "handle")}
every_door = pytest.mark.parametrize("door", DOORS)


# --- the table -----------------------------------------------------------------------------------


def router_of(*prefixes: str, root: bool = True) -> Router:
    mounts = {prefix: Mount(prefix, prefix, "asgi") for prefix in prefixes}
    return Router(Mount("", "", "asgi") if root else None, mounts)


def matched(router: Router, path: str) -> str | None:
    mount = router.match(path)
    return None if mount is None else mount.prefix


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/api/users", "/api"),
        ("/api//users", "/api"),
        ("/apiary", ""),
        ("/ap", ""),
        ("/API", ""),
        ("/api.json", ""),
        ("/x/api", ""),
        ("//api", ""),
        ("/api/v2", "/api/v2"),
        ("/api/v2/", "/api/v2"),
        ("/api/v2/users/1", "/api/v2"),
        ("/api/v20", "/api"),
        ("/api/v2/admin/only", "/api/v2/admin/only"),
        ("/api/v2/admin/only/x", "/api/v2/admin/only"),
        ("/api/v2/admin", "/api/v2"),
        ("/api/v2/admin/onlyx", "/api/v2"),
        ("/café/x", "/café"),
        ("/a b/c", "/a b"),
        ("/", ""),
        ("", ""),
    ],
)
def test_longest_prefix_at_a_boundary_wins(path: str, prefix: str) -> None:
    table = ("/api", "/api/v2", "/api/v2/admin/only", "/café", "/a b")
    assert matched(router_of(*table), path) == prefix
    assert matched(router_of(*reversed(table)), path) == prefix
    assert matched(router_of(*table, root=False), path) == (prefix or None)


def test_router_without_mounts_gives_the_root() -> None:
    assert matched(router_of(), "/anything/at/all") == ""
    assert matched(router_of(root=False), "/") is None


segments = st.text(alphabet="ab", max_size=2)
paths = st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(parts))
prefixes = st.sets(paths.map(lambda path: path.rstrip("/")).filter(bool), max_size=8)


@settings(database=None, deadline=None)
@given(prefixes, paths)
def test_router_agrees_with_the_plain_rule(table: set[str], path: str) -> None:
    fitting = [prefix for prefix in table if path == prefix or path.startswith(prefix + "/")]
    assert matched(router_of(*table), path) == max(fitting, key=len, default="")


def test_iteration_gives_the_root_first_and_mounts_in_order() -> None:
    assert [mount.prefix for mount in router_of("/b", "/a")] == ["", "/b", "/a"]
    assert [mount.prefix for mount in router_of("/b", "/a", root=False)] == ["/b", "/a"]


class Watched(str):
    """A path that counts how often it is searched, compared, or cut for a look-up."""

    touched = 0

    def __getattribute__(self, name: str) -> Any:
        if name != "touched":
            self.touched += 1
        return super().__getattribute__(name)

    def __getitem__(self, index: Any) -> str:
        self.touched += 1
        return super().__getitem__(index)

    def __eq__(self, other: object) -> bool:
        self.touched += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def cost(router: Router, path: str) -> int:
    watched = Watched(path)
    router.match(watched)
    return watched.touched


def test_cost_does_not_grow_with_the_number_of_mounts() -> None:
    few = router_of("/a/b", "/c")
    numbers = [f"/{n}" for n in range(1000)]
    many = router_of("/a/b", "/c", *numbers, *(n + n for n in numbers))
    assert matched(many, "/999/999/x") == "/999/999"
    for path in ("/a/b/x", "/nobody/knows/this", "/x/y", "/"):
        assert cost(many, path) == cost(few, path) > 0


def test_cost_of_a_deep_path_is_that_of_the_deepest_prefix() -> None:
    router = router_of("/a", "/a/b/c")
    deep = "/x" * 10_000
    assert matched(router, deep) == ""
    assert cost(router, deep) == cost(router, "/x/x/x/x") > 0


# --- valid prefixes ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/", "api", "/api/", "api/", "//"])
def test_prefix_that_cannot_match_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=f'like "/v2".*, got {prefix!r}'):
        unigate.wrap(asgi_echo, mounts={"/good": asgi_echo, prefix: asgi_echo})


def test_prefix_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must be a str, got 2\."):
        unigate.wrap(mounts={2: asgi_echo})  # type: ignore[dict-item]


# --- the paths that an application receives ------------------------------------------------------


def wsgi_echo(environ: Any, start_response: Any) -> list[bytes]:
    seen = {name: environ[name] for name in ("SCRIPT_NAME", "PATH_INFO")}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    seen = {
        "root_path": scope["root_path"],
        "path": scope["path"],
        "raw": scope["raw_path"].decode(),
    }
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def asgi_root(scope: Any, receive: Any, send: Any) -> None:
    assert scope["root_path"] == ""
    await asgi_echo({**scope, "root_path": "the root application"}, receive, send)


def request_for(raw: bytes, root_path: str = "") -> Request:
    headers = Headers([("host", "example.org")])
    return Request("GET", raw, headers=headers, server=("example.org", 443), root_path=root_path)


def asked(door: str, gateway: Gateway, raw: bytes, root_path: str = "") -> dict[str, str]:
    response = HOSTS[door](gateway, request_for(raw, root_path))
    assert response.status == 200, response.body
    seen: dict[str, str] = json.loads(response.body)
    return seen


@every_door
@pytest.mark.parametrize(
    ("raw", "prefix", "path", "below"),
    [
        (b"/api", "/api", "/api", ""),
        (b"/api/", "/api", "/api/", "/"),
        (b"/api/users/", "/api", "/api/users/", "/users/"),
        (b"/api/v2/users", "/api/v2", "/api/v2/users", "/users"),
        (b"/api/v20/users", "/api", "/api/v20/users", "/v20/users"),
        (b"/api//x", "/api", "/api//x", "//x"),
        (b"/api/caf%C3%A9", "/api", "/api/café", "/café"),
        (b"/api/a%2Fb%20c", "/api", "/api/a/b c", "/a/b c"),
        (b"/api/100%2525", "/api", "/api/100%25", "/100%25"),
        (b"/%61pi/users", "/api", "/api/users", "/users"),
        (b"/api/api/api", "/api", "/api/api/api", "/api/api"),
        (b"/caf%C3%A9/th%C3%A9", "/café", "/café/thé", "/thé"),
    ],
)
def test_mounted_application_sees_its_prefix(
    door: str, raw: bytes, prefix: str, path: str, below: str
) -> None:
    table = ("/api", "/api/v2", "/café")
    asgi = unigate.wrap(asgi_root, mounts=dict.fromkeys(table, asgi_echo))
    seen = asked(door, asgi, raw)
    assert (seen["root_path"], seen["path"]) == (prefix, path)
    wsgi = unigate.wrap(asgi_root, mounts=dict.fromkeys(table, wsgi_echo))
    seen = asked(door, wsgi, raw)
    decoded = {name: value.encode("latin-1").decode() for name, value in seen.items()}
    assert decoded == {"SCRIPT_NAME": prefix, "PATH_INFO": below}


@pytest.mark.parametrize("door", ["asgi", "wsgi", "generic"])
def test_raw_path_stays_whole_below_a_mount(door: str) -> None:
    gateway = unigate.wrap(mounts={"/api": asgi_echo})
    assert asked(door, gateway, b"/api/a%2Fb%20c")["raw"] == "/api/a%2Fb%20c"


@every_door
@pytest.mark.parametrize("raw", [b"/", b"/apiary", b"/ap", b"/x/api"])
def test_root_application_answers_the_rest(door: str, raw: bytes) -> None:
    gateway = unigate.wrap(asgi_root, mounts={"/api": wsgi_echo})
    seen = asked(door, gateway, raw)
    assert (seen["root_path"], seen["path"]) == ("the root application", raw.decode())
    gateway = unigate.wrap(wsgi_echo, mounts={"/api": asgi_echo})
    assert asked(door, gateway, raw) == {"SCRIPT_NAME": "", "PATH_INFO": raw.decode()}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("raw", [b"/", b"/apiary", b"/ap"])
def test_unmatched_path_without_a_root_is_a_plain_404(host: str, raw: bytes) -> None:
    gateway = unigate.wrap(mounts={"/api": asgi_echo, "/old": wsgi_echo})
    response = HOSTS[host](gateway, request_for(raw))
    assert (response.status, response.body) == (404, b"Not Found")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


# --- a stage and a base path in front ------------------------------------------------------------


@pytest.mark.parametrize("host", ["http_api", "rest_api", "asgi"])
def test_mount_is_found_behind_a_stage(host: str) -> None:
    gateway = unigate.wrap(asgi_echo, mounts={"/api": asgi_echo, "/old": wsgi_echo})
    seen = asked(host, gateway, b"/prod/api/users", root_path="/prod")
    assert (seen["root_path"], seen["path"]) == ("/prod/api", "/prod/api/users")
    seen = asked(host, gateway, b"/prod/old/users", root_path="/prod")
    assert seen == {"SCRIPT_NAME": "/prod/old", "PATH_INFO": "/users"}
    seen = asked(host, gateway, b"/prod/apiary", root_path="/prod")
    assert (seen["root_path"], seen["path"]) == ("/prod", "/prod/apiary")


@pytest.mark.parametrize("host", ["http_api", "rest_api", "asgi"])
def test_stage_that_is_named_like_a_mount_is_no_mount(host: str) -> None:
    gateway = unigate.wrap(asgi_echo, mounts={"/api": wsgi_echo})
    seen = asked(host, gateway, b"/api/users", root_path="/api")
    assert (seen["root_path"], seen["path"]) == ("/api", "/api/users")
    seen = asked(host, gateway, b"/api/api/users", root_path="/api")
    assert seen == {"SCRIPT_NAME": "/api/api", "PATH_INFO": "/users"}


def test_mount_is_found_where_a_wsgi_server_has_mounted_the_gateway() -> None:
    gateway = unigate.wrap(wsgi_echo, mounts={"/api": asgi_echo, "/old": wsgi_echo})

    def site(environ: Any, start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = "/site"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/site")
        return gateway.wsgi(environ, start_response)

    def ask(raw: bytes) -> Any:
        return json.loads(ask_wsgi(site, request_for(raw)).body)

    assert ask(b"/site/old/users") == {"SCRIPT_NAME": "/site/old", "PATH_INFO": "/users"}
    assert ask(b"/site/older") == {"SCRIPT_NAME": "/site", "PATH_INFO": "/older"}
    seen = ask(b"/site/api/users")
    assert (seen["root_path"], seen["path"]) == ("/site/api", "/site/api/users")


@every_door
@pytest.mark.parametrize("base_path", ["/v1", "v1", "/v1/", "v1/"])
@pytest.mark.parametrize(
    ("raw", "root", "below"),
    [
        (b"/v1", "/v1", "/"),
        (b"/v1/", "/v1", "/"),
        (b"/v1/users", "/v1", "/users"),
        (b"/v1/caf%C3%A9", "/v1", "/caf\xc3\xa9"),
        (b"/v10/users", "", "/v10/users"),
        (b"/users/v1", "", "/users/v1"),
        (b"/v1/v1/users", "/v1", "/v1/users"),
        (b"/v1/old", "/v1/old", ""),
        (b"/v1/old/users", "/v1/old", "/users"),
        (b"/v1/older", "/v1", "/older"),
        (b"/old/users", "/old", "/users"),
        (b"/old/v1", "/old", "/v1"),
    ],
)
def test_base_path_is_cut_at_a_boundary(
    door: str, base_path: str, raw: bytes, root: str, below: str
) -> None:
    gateway = unigate.wrap(wsgi_echo, mounts={"/old": wsgi_echo}, base_path=base_path)
    assert asked(door, gateway, raw) == {"SCRIPT_NAME": root, "PATH_INFO": below}


@every_door
@pytest.mark.parametrize(
    ("raw", "root"),
    [
        (b"/v1", "/v1"),
        (b"/v1/users", "/v1"),
        (b"/v10/users", ""),
        (b"/v1/api/users", "/v1/api"),
        (b"/api/users", "/api"),
    ],
)
def test_base_path_is_added_to_the_root_path(door: str, raw: bytes, root: str) -> None:
    gateway = unigate.wrap(asgi_echo, mounts={"/api": asgi_echo}, base_path="/v1")
    seen = asked(door, gateway, raw)
    assert (seen["root_path"], seen["path"]) == (root, raw.decode())


@pytest.mark.parametrize("base_path", [None, "", "/"])
def test_empty_base_path_changes_nothing(base_path: str | None) -> None:
    gateway = unigate.wrap(wsgi_echo, base_path=base_path)
    for raw in (b"/", b"/x"):
        assert asked("generic", gateway, raw) == {"SCRIPT_NAME": "", "PATH_INFO": raw.decode()}


@pytest.mark.parametrize("host", ["http_api", "rest_api", "asgi"])
def test_stage_base_path_and_mount_add_up(host: str) -> None:
    gateway = unigate.wrap(
        asgi_echo, mounts={"/api": asgi_echo, "/old": wsgi_echo}, base_path="/v1"
    )
    seen = asked(host, gateway, b"/prod/v1/old/users", root_path="/prod")
    assert seen == {"SCRIPT_NAME": "/prod/v1/old", "PATH_INFO": "/users"}
    seen = asked(host, gateway, b"/prod/v1/api/users", root_path="/prod")
    assert (seen["root_path"], seen["path"]) == ("/prod/v1/api", "/prod/v1/api/users")
    seen = asked(host, gateway, b"/prod/v10/users", root_path="/prod")
    assert (seen["root_path"], seen["path"]) == ("/prod", "/prod/v10/users")


# --- mounts inside mounts ------------------------------------------------------------------------


@every_door
@pytest.mark.parametrize(
    ("raw", "root"),
    [
        (b"/in/api/x", "/in/api"),
        (b"/in/api", "/in/api"),
        (b"/in/in/api/x", "/in/in/api"),
        (b"/base/in/api/x", "/base/in/api"),
    ],
)
def test_gateway_mounted_in_a_gateway_extends_the_prefix(door: str, raw: bytes, root: str) -> None:
    inmost = unigate.wrap(mounts={"/api": asgi_echo, "/old": wsgi_echo})
    inner = unigate.wrap(mounts={"/api": asgi_echo, "/old": wsgi_echo, "/in": inmost})
    outer = unigate.wrap(asgi_root, mounts={"/in": inner}, base_path="/base")
    seen = asked(door, outer, raw)
    assert (seen["root_path"], seen["path"]) == (root, raw.decode())
    seen = asked(door, outer, raw.replace(b"/api", b"/old"))
    below = raw.decode().removeprefix(root)
    assert seen == {"SCRIPT_NAME": root.replace("/api", "/old"), "PATH_INFO": below}


@every_door
def test_path_that_an_inner_gateway_lacks_is_its_404(door: str) -> None:
    inner = unigate.wrap(mounts={"/api": asgi_echo})
    outer = unigate.wrap(asgi_root, mounts={"/in": inner})
    response = DOORS[door](outer, request_for(b"/in/apiary"))
    assert (response.status, response.body) == (404, b"Not Found")


def test_root_path_that_the_server_left_out_of_the_path_is_put_back() -> None:
    # hypercorn does, and whatever stands behind a proxy that strips a prefix and says so.
    seen: list[tuple[str, str]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start_response("204 No Content", [])
        return []

    gateway = unigate.wrap(app, mounts={"/old": app})
    for path in (b"/old/users", b"/proxy/old/users", b"/users"):
        ask_asgi(gateway.asgi, Request("GET", path, root_path="/proxy"))
    assert seen == [("/proxy/old", "/users"), ("/proxy/old", "/users"), ("/proxy", "/users")]


def test_event_is_known_inside_of_a_gateway_in_a_gateway() -> None:
    seen: list[tuple[Any, Any, str]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        request = unigate.current_request()
        seen.append((request.event, request.context, request.source))
        start_response("204 No Content", [])
        return []

    event = {"httpMethod": "GET", "path": "/inner/x"}
    unigate.wrap(mounts={"/inner": unigate.wrap(app)})(event, "context")
    assert seen == [(event, "context", "generic")]
