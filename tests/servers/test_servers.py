"""Real servers around the gateway, each compared with the same server around a bare application.

What a server makes of a request is its own affair: the gateway must give applications what the
server gives, whichever interface it is asked for.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest

from tests.waiting import until

from .client import WebSocket, ask, begin
from .processes import ROOT, Server, module

GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket")
ASGI_SERVERS = {
    "uvicorn": ("uvicorn", "--host=127.0.0.1", "--port={port}"),
    "hypercorn": ("hypercorn", "--bind=127.0.0.1:{port}"),
    "daphne": ("daphne", "--bind=127.0.0.1", "--port={port}"),
    "granian": ("granian", "--interface=asgi", "--host=127.0.0.1", "--port={port}"),
    "gunicorn-uvicorn": (*GUNICORN, "--worker-class=uvicorn_worker.UvicornWorker"),
}
# Apache refuses to run as root, who therefore takes another name, with the same rights.
OF_NOBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if not os.getuid() else ()
DEFINED = {"root": ROOT, "site_packages": sysconfig.get_path("purelib"), "port": "{port}"}
MOD_WSGI = (
    *OF_NOBODY,
    *("/usr/sbin/apache2", "-DFOREGROUND", "-f", f"{ROOT}/tests/servers/mod_wsgi.conf"),
    *(part for name, value in DEFINED.items() for part in ("-C", f"Define {name} {value}")),
    *("-C", "Define application {app}"),
)
UWSGI = (f"{Path(sys.executable).parent}/uwsgi", "--http-socket=127.0.0.1:{port}", "--master")
WSGI_SERVERS = {
    "gunicorn-sync": GUNICORN,
    "gunicorn-gthread": (*GUNICORN, "--worker-class=gthread", "--threads=4"),
    "waitress": ("waitress", "--listen=127.0.0.1:{port}"),
    "hypercorn-wsgi": ("hypercorn", "--bind=127.0.0.1:{port}", "wsgi:tests.servers.{app}:app"),
    "uvicorn-wsgi": (*ASGI_SERVERS["uvicorn"], "--interface=wsgi"),
    "uwsgi": (
        *UWSGI,
        "--enable-threads",
        "--threads=4",
        "--die-on-term",
        "--module=tests.servers.{app}:app",
    ),
    # Debian's module, for Debian's Python: it needs nothing of ours that is not Python.
    "mod_wsgi": MOD_WSGI,
}
SERVERS = {**ASGI_SERVERS, **WSGI_SERVERS}


class Pair(NamedTuple):
    """A server twice: around the gateway, and around the plain application of its interface."""

    name: str
    interface: str
    gateway: Server
    bare: Server


@pytest.fixture(scope="module", params=SERVERS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    name = request.param
    logs = tmp_path_factory.mktemp(name)
    interface = "asgi" if name in ASGI_SERVERS else "wsgi"
    with (
        Server(command(name, "mixed_app"), logs / "gateway") as gateway,
        Server(command(name, f"plain_{interface}"), logs / "bare") as bare,
    ):
        gateway.wait_until_it_listens()
        bare.wait_until_it_listens()
        yield Pair(name, interface, gateway, bare)


def command(name: str, app: str) -> list[str]:
    """Return the command that serves an application of this folder, for `Server`."""
    arguments = [one.replace("{app}", app) for one in SERVERS[name]]
    if name in ("uwsgi", "mod_wsgi"):
        return arguments
    place = f"tests.servers.{app}:app"
    return module(*arguments, *([] if arguments[-1].endswith(place) else [place]))


@pytest.fixture(params=["", "/v2"], ids=["wsgi-application", "asgi-application"])
def prefix(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def seen(answer: Any, server: Server) -> dict[str, Any]:
    """Return what an application tells of its request, whichever interface it has."""
    assert int(answer.pop("port")) == server.port
    joined: dict[str, str] = {}
    for name, value in answer["headers"]:
        between = "; " if name == "cookie" else ","
        joined[name] = f"{joined[name]}{between}{value}" if name in joined else value
    answer["headers"] = joined
    # PEP 3333 has no such thing, and daphne leaves the query on it.
    raw_path = answer["raw_path"] or (answer["common"] or {}).get("raw_path")
    answer["raw_path"] = raw_path and raw_path.partition("?")[0]
    left_out = ("interface", "state", "common")
    return {name: value for name, value in answer.items() if name not in left_out}


@pytest.mark.parametrize(
    "target",
    [
        "/caf%C3%A9",
        "/a%2Fb",
        "/100%2525",
        "//x",
        "/x/",
        "/x?a=1&a=%20&b",
        "/x?q=caf%C3%A9+%26",
    ],
)
def test_applications_see_what_the_server_gives(pair: Pair, prefix: str, target: str) -> None:
    fields = [("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")]

    answer = ask(pair.gateway.port, prefix + target, fields=fields).json()
    bare = ask(pair.bare.port, prefix + target, fields=fields).json()

    assert answer["interface"] == ("asgi" if prefix else "wsgi")
    told = seen(answer, pair.gateway)
    given = seen(bare, pair.bare)
    raw = given["raw_path"]
    if raw is None or (prefix and unquote(raw) != given["path"]):
        # An environ without such a thing, or of a server that has changed the path.
        given["raw_path"] = quote(given["path"])
    assert told == {**given, "root": prefix}


@pytest.mark.parametrize(
    ("target", "path"),
    [("/caf%C3%A9", "/café"), ("/a%2Fb", "/a/b"), ("/100%2525", "/100%25"), ("/x/", "/x/")],
)
def test_paths_are_decoded_once(pair: Pair, prefix: str, target: str, path: str) -> None:
    assert ask(pair.gateway.port, prefix + target).json()["path"] == prefix + path


def test_the_common_request_says_the_same(pair: Pair, prefix: str) -> None:
    answer = ask(pair.gateway.port, f"{prefix}/caf%C3%A9?a=1", "PUT").json()

    common = answer["common"]
    assert common["source"] == pair.interface
    assert common["method"] == "PUT"
    assert common["path"] == f"{prefix}/café"
    assert common["raw_path"] == f"{prefix}/caf%C3%A9"
    assert common["root_path"] == ""
    assert common["server"][1] == pair.gateway.port
    assert common["client"][0] == answer["client"] == "127.0.0.1"
    assert isinstance(common["client"][1], int)


def test_repeated_fields_stay_apart_where_the_server_keeps_them_so(pair: Pair) -> None:
    fields = [("X-A", "1"), ("X-A", "2")]

    answer = ask(pair.gateway.port, "/v2/x", fields=fields).json()
    bare = ask(pair.bare.port, "/v2/x", fields=fields).json()

    values = [value for name, value in answer["headers"] if name == "x-a"]
    assert values == [value for name, value in bare["headers"] if name == "x-a"]


def but(*names: str) -> Any:
    """Return the parameters for all servers but some, which fail with a plain application too."""
    kept = [name for name in SERVERS if name not in names]
    return pytest.mark.parametrize("pair", kept, indirect=True)


on_asgi_servers = pytest.mark.parametrize("pair", ASGI_SERVERS, indirect=True)


@on_asgi_servers
def test_cookies_in_several_fields_become_one(pair: Pair, prefix: str) -> None:
    fields = [("Cookie", "a=1"), ("Cookie", "b=2")]

    answer = ask(pair.gateway.port, f"{prefix}/x", fields=fields).json()

    assert [value for name, value in answer["headers"] if name == "cookie"] == ["a=1; b=2"]


def test_a_large_body_arrives_whole(pair: Pair, prefix: str) -> None:
    body = bytes(range(256)) * 1200

    answer = ask(pair.gateway.port, f"{prefix}/x", "POST", body=body).json()

    assert answer["method"] == "POST"
    assert answer["length"] == len(body)
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()


# These give applications neither a length nor a mark of its end.
@but("hypercorn-wsgi", "uvicorn-wsgi", "uwsgi")
def test_a_chunked_body_arrives_whole(pair: Pair, prefix: str) -> None:
    parts = [b"some ", b"more " * 20_000, b"and the rest"]

    answer = ask(pair.gateway.port, f"{prefix}/x", "POST", body=parts).json()

    assert answer["length"] == len(b"".join(parts))
    assert answer["sha256"] == hashlib.sha256(b"".join(parts)).hexdigest()


# These take no notice of the size that is asked for.
@but("uvicorn-wsgi", "uwsgi")
def test_a_body_can_be_read_by_lines(pair: Pair) -> None:
    answer = ask(pair.gateway.port, "/lines", "POST", body=b"first\nsecond\n\nlast").json()

    assert answer == ["fir", "st\n", "second\n", "\n", "last"]


def test_every_cookie_is_set(pair: Pair, prefix: str) -> None:
    answer = ask(pair.gateway.port, f"{prefix}/cookies")

    assert answer.values("set-cookie") == ["a=1; Path=/", "b=2; Path=/; HttpOnly"]
    assert answer.body == b"cookies"


@pytest.mark.parametrize("view", ["cookies", "empty"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_responses_are_the_servers_own(pair: Pair, prefix: str, method: str, view: str) -> None:
    answer = ask(pair.gateway.port, f"{prefix}/{view}", method)
    bare = ask(pair.bare.port, f"{prefix}/{view}", method)

    assert answer.status == {"cookies": 201, "empty": 204}[view]
    assert answer.body == (b"cookies" if (method, view) == ("GET", "cookies") else b"")
    if (pair.name, view) == ("hypercorn-wsgi", "empty"):
        assert bare.status == 500  # it fails if the body of an application has no part
        return
    assert answer == bare


def test_what_is_written_comes_before_what_is_returned(pair: Pair) -> None:
    for view in ("write", "write-and-yield"):
        answer = ask(pair.gateway.port, f"/{view}")
        assert (answer.status, answer.body) == (200, b"one two three")


def test_a_failure_is_a_plain_500_and_a_traceback_in_the_log(pair: Pair, prefix: str) -> None:
    answer = ask(pair.gateway.port, f"{prefix}/fail?of={prefix}")

    assert answer.status == 500
    assert answer.body == b"Internal Server Error"
    pair.gateway.wait_for_output(f"RuntimeError: a detail for the log: of={prefix}\n")
    assert ask(pair.gateway.port, f"{prefix}/x").status == 200


# daphne leaves the client waiting, uWSGI ends every body with its connection, Apache ends it well.
@but("daphne", "uwsgi", "mod_wsgi")
def test_a_failure_half_way_does_not_look_like_an_end(pair: Pair, prefix: str) -> None:
    with pytest.raises(http.client.IncompleteRead):
        ask(pair.gateway.port, f"{prefix}/fail-late")


def test_parts_of_a_response_arrive_as_they_are_made(pair: Pair, prefix: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        target = f"{prefix}/stream?port={listener.getsockname()[1]}"
        with closing(begin(pair.gateway.port, target)) as connection:
            response = connection.getresponse()
            assert response.getheader("content-type") == "text/event-stream"
            assert response.read1() == b"data: one\n\n"

            listener.accept()[0].close()  # only now can the application go on

            assert response.read() == b"data: two\n\n"


def test_work_goes_on_when_the_client_has_its_answer(
    pair: Pair, prefix: str, tmp_path: Path
) -> None:
    answered = tmp_path / "answered"
    status, _, body = ask(pair.gateway.port, f"{prefix}/later?file={answered}")
    assert (status, body) == (200, b"later")
    answered.touch()  # only now can the work end
    until(answered.with_suffix(".seen").exists)


@on_asgi_servers
def test_messages_go_both_ways_on_a_websocket(pair: Pair) -> None:
    with (
        closing(WebSocket(pair.gateway.port, "/v2/caf%C3%A9")) as websocket,
        closing(WebSocket(pair.bare.port, "/v2/caf%C3%A9")) as bare,
    ):
        assert websocket.status == 101
        told = json.loads(websocket.receive())
        assert told["path"] == "/v2/café"
        assert told == {**json.loads(bare.receive()), "root": "/v2"}
        websocket.send("text, été")
        assert websocket.receive() == "text, été"
        websocket.send(b"\x00bytes" * 10_000)
        assert websocket.receive() == b"\x00bytes" * 10_000


@on_asgi_servers
def test_a_websocket_is_refused_where_the_application_is_wsgi(pair: Pair) -> None:
    with closing(WebSocket(pair.gateway.port, "/x")) as websocket:
        assert websocket.status == 403


# These do not tell applications that a client has left.
UNTOLD = ("hypercorn-wsgi", "uvicorn-wsgi")


@but(*UNTOLD)
def test_a_wsgi_application_ends_when_the_client_goes(pair: Pair) -> None:
    with closing(begin(pair.gateway.port, "/endless")) as connection:
        assert connection.getresponse().read(100_000)

    pair.gateway.wait_for_output("endless: closed")


@pytest.mark.parametrize(
    "pair", [name for name in WSGI_SERVERS if name not in UNTOLD], indirect=True
)
def test_an_asgi_application_ends_when_a_wsgi_servers_client_goes(pair: Pair) -> None:
    known = pair.gateway.output().count("endless: closed")
    with closing(begin(pair.gateway.port, "/v2/endless")) as connection:
        assert connection.getresponse().read(100_000)

    pair.gateway.wait_for_output("endless: closed", known + 1)


def test_the_lifespan_runs_once(pair: Pair) -> None:
    state = [ask(pair.gateway.port, "/v2/x").json()["state"] for _ in range(3)]
    starts = pair.gateway.output().count("lifespan.startup")

    if pair.name == "daphne":  # which has no lifespan to pass on
        assert (starts, state) == (0, [None] * 3)
    else:
        assert (starts, state) == (1, ["at startup"] * 3)


# waitress leaves SIGTERM to Python, which ends without another word, and so does uvicorn at the end
# of its own shutdown, in which a WSGI application has no part.
UNENDED = ("daphne", "waitress", "uvicorn-wsgi")


@pytest.mark.parametrize("name", [name for name in SERVERS if name not in UNENDED])
def test_the_lifespan_ends_with_the_server(name: str, tmp_path: Path) -> None:
    stats = tmp_path / "stats"
    more = [f"--stats={stats}"] if name == "uwsgi" else []
    with Server([*command(name, "mixed_app"), *more], tmp_path / "log") as server:
        server.wait_until_it_listens()
        assert ask(server.port, "/v2/x").status == 200
        assert "lifespan.shutdown" not in server.output()
        if more:
            until(lambda: is_idle(stats))

        assert server.stop().count("lifespan.shutdown") == 1


def is_idle(stats: Path) -> bool:
    """Return True once uWSGI's worker is done with its request: a busy one has no exit functions.

    It is busy for a moment after the client has the response.
    """
    with socket.socket(socket.AF_UNIX) as server:
        if server.connect_ex(str(stats)) != 0:  # uWSGI makes it after it listens
            return False
        workers = json.loads(server.makefile("rb").read())["workers"]
    return [worker["status"] for worker in workers] == ["idle"]
