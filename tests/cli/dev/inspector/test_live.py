"""Server-sent events of the inspector page, across reloads and to the end of the server."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.dev.dev_server import SECONDS, Server, dev, until

APPLICATION = """
import time

import words


def app(environ, start_response):
    while environ["PATH_INFO"] == "/stuck" and words.GREETING == "Good morning":
        time.sleep(0.02)
    if environ["PATH_INFO"] == "/boom":
        raise ValueError("the kettle is empty")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [words.GREETING.encode()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APPLICATION)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    return tmp_path


class News(NamedTuple):
    kind: str
    number: int
    row: str
    mark: str


@contextmanager
def stream(server: Server, since: str, *, again: bool = False) -> Iterator[Iterator[News]]:
    """Read events as EventSource does; `again` means a reconnection."""
    connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
    headers = {"Cookie": server.cookie} | ({"Last-Event-ID": since} if again else {})
    query = "" if again else f"?since={since}"
    connection.request("GET", f"/_unigate/stream{query}", headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("Content-Type") == "text/event-stream; charset=utf-8"

    def read() -> Iterator[News]:
        fields: dict[str, str] = {}
        deadline = time.monotonic() + SECONDS
        for line in response:
            assert time.monotonic() < deadline, "It did not come."
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name.rstrip(":")] = value
            elif "event" in fields:
                data = json.loads(fields.get("data") or "{}")
                kind, mark = fields["event"], fields.get("id", "")
                yield News(kind, data.get("number", 0), data.get("row", ""), mark)
                fields = {}

    try:
        yield read()
    finally:
        response.close()
        connection.close()


def since(server: Server) -> str:
    page = server.ask("/_unigate/").body.decode()
    return page.partition('data-since="')[2].partition('"')[0]


def answered(news: Iterator[News], number: int = 1) -> tuple[News, str]:
    """Return the event of the response to a request, or to a later one, and the next event id.

    A request that is answered in the meantime causes two events.
    """
    event = next(one for one in news if one.number >= number and "status-0" not in one.row)
    return event, next(one.mark for one in news if one.mark)


def test_a_request_is_in_the_news_at_once(project: Path) -> None:
    with dev(project, "main:app", "--no-reload") as server, stream(server, since(server)) as news:
        server.ask("/tea?milk=no")
        first, _ = answered(news)
        assert first.number == 1
        assert "/tea?milk=no" in first.row
        assert 'class="status-2"' in first.row
        server.ask("/boom")
        second, _ = answered(news, 2)
        assert (second.number, 'class="status-5"' in second.row) == (2, True)


def test_a_late_or_second_connection_gets_each_event_once(project: Path) -> None:
    with dev(project, "main:app", "--no-reload") as server:
        start = since(server)
        server.ask("/one")
        with stream(server, start) as news:
            first, mark = answered(news)
        server.ask("/two")
        with stream(server, mark, again=True) as news:
            second, _ = answered(news)
        assert (first.number, second.number) == (1, 2)


@pytest.mark.parametrize("mark", ["", "another-3", "x"])
def test_an_event_id_of_another_server_leads_to_a_restart(project: Path, mark: str) -> None:
    with dev(project, "main:app", "--no-reload") as server:
        for again in (False, True) if mark else (False,):
            with stream(server, mark, again=again) as news:
                assert [one.kind for one in news] == ["restart"]


def test_requests_and_news_survive_a_reload(project: Path) -> None:
    with dev(project, "main:app") as server:
        with stream(server, since(server)) as news:
            server.ask("/boom")
            _, mark = answered(news)
            (project / "words.py").write_text("GREETING = 'Good evening'")
            list(news)  # until the server has ended
        until(lambda: server.ask("/").body == b"Good evening")
        with stream(server, mark, again=True) as news:
            assert answered(news, 2)
        assert b"ValueError: the kettle is empty" in server.ask("/_unigate/1").body
        origin = "http://{}:{}".format(*server.address)
        (project / "main.py").write_text(APPLICATION.replace("/boom", "/mended"))
        until(lambda: server.ask("/boom").status == 200)
        answer = server.ask(
            "/_unigate/1/replay", b"{}", Origin=origin, Content_Type="application/json"
        )
        number = json.loads(answer.body)["number"]
        assert b"Good evening" in server.ask(f"/_unigate/{number}").body


def test_a_request_that_a_reload_cut_off_can_be_sent_again(project: Path) -> None:
    with dev(project, "main:app") as server:
        connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
        with stream(server, since(server)) as news, closing(connection):
            connection.request("GET", "/stuck")
            assert next(news).number == 1
            mark = next(news).mark
            (project / "words.py").write_text("GREETING = 'Good evening'")
            until(lambda: server.ask("/tea").body == b"Good evening")
        with stream(server, mark, again=True) as news:
            first = next(news)
        assert (first.number, "failed" in first.row) == (1, True)
        origin = "http://{}:{}".format(*server.address)
        answer = server.ask(
            "/_unigate/1/replay", b"{}", Origin=origin, Content_Type="application/json"
        )
        number = json.loads(answer.body)["number"]
        assert b"Good evening" in server.ask(f"/_unigate/{number}").body


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_an_open_page_does_not_keep_the_server(project: Path, reload: str, signum: int) -> None:
    with dev(project, "main:app", reload) as server, stream(server, since(server)) as news:
        server.ask("/")
        answered(news)
        assert server.end(signum, group=True) == 0
        list(news)  # raises IncompleteRead if it is cut off
        assert server.err.read_text() == ""


def test_closed_pages_do_not_disturb_the_server(project: Path) -> None:
    with dev(project, "main:app", "--no-reload") as server:
        for _ in range(5):
            with stream(server, since(server)) as news:
                server.ask("/")
                answered(news)
        server.ask("/")
        assert server.end(signal.SIGTERM) == 0
        assert server.err.read_text() == ""


def test_the_page_is_for_this_machine_when_the_application_is_for_others(project: Path) -> None:
    with dev(project, "main:app", "--no-reload", "--host", "0.0.0.0") as server:
        url, page, *_ = server.out.read_text().splitlines()
        assert url.endswith(f" on http://127.0.0.1:{server.address[1]}")
        assert page.startswith(f"http://127.0.0.1:{server.address[1]}/_unigate/?token=")
        assert server.ask("/", Host="shop.example").status == 200
        assert server.ask("/_unigate/").status == 200
        assert server.ask("/_unigate/", Host="shop.example").status == 403
        address = _address()
        if address is not None:
            connection = http.client.HTTPConnection(address, server.address[1], timeout=SECONDS)
            connection.request("GET", "/_unigate/", headers={"Host": "localhost"})
            assert connection.getresponse().status == 403
            connection.close()


def _address() -> str | None:
    """Return an address of this machine that is not loopback, None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
