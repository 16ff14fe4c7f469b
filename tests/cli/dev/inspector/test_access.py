"""Who may see the page: browsers on this machine that were given the token, and no other site."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.cli.dev.inspecting import COOKIE, ORIGIN, TOKEN, Inspected
from tests.cli.dev.inspector.test_inspector import echo

NO_COOKIE = ("cookie", "theme=dark")
PATHS = ["", "1", "1/2", "1/curl", "1/event", "stream?since=x", "static/inspector.js", "77"]


@pytest.fixture
def inspected() -> Inspected:
    inspected = Inspected(echo)
    inspected.ask("/tea")
    inspected.ask("/coffee")
    return inspected


@pytest.mark.parametrize(
    "cookie",
    ["theme=dark", "unigate-8000=", "unigate-8000=open-sesam", "unigate-8000=open-sesame2",
     "unigate-8001=open-sesame", "unigate-8000=é", "open-sesame", "unigate-8000"],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_the_token(inspected: Inspected, path: str, cookie: str) -> None:
    fields = [("cookie", cookie.encode().decode("latin-1"))]
    answer = inspected.ask(f"/_unigate/{path}", headers=fields)
    assert answer.status == 403
    assert (
        answer.body == b"Open the address of this page that `unigate dev` has printed at its start."
    )


@pytest.mark.parametrize("path", ["1/replay", "1/resend"])
def test_nothing_is_sent_without_the_token(inspected: Inspected, path: str) -> None:
    assert inspected.post(path, {}, cookie="unigate-8000=other").status == 403
    assert len(inspected.history.all()) == 2


@pytest.mark.parametrize("path", ["", "1", "static/inspector.js"])
def test_the_token_of_the_address_becomes_a_cookie(inspected: Inspected, path: str) -> None:
    answer = inspected.ask(f"/_unigate/{path}?token={TOKEN}", headers=[NO_COOKIE])
    assert answer.status == 303
    assert answer.all("location") == ["/_unigate/"]
    [cookie] = answer.all("set-cookie")
    value, *attributes = cookie.split("; ")
    assert value == f"{COOKIE[1]}"
    assert sorted(attributes) == ["HttpOnly", "Path=/_unigate", "SameSite=Strict"]
    assert inspected.ask("/_unigate/", headers=[("cookie", value)]).status == 200


@pytest.mark.parametrize("token", ["", "x", TOKEN.upper(), TOKEN[:-1], TOKEN + "x", "é", "\0"])
def test_another_token_is_refused(inspected: Inspected, token: str) -> None:
    answer = inspected.ask(f"/_unigate/?token={quote(token)}", headers=[NO_COOKIE])
    assert answer.status == 403
    assert answer.all("set-cookie") == []


def test_an_old_address_leads_a_browser_with_the_cookie_to_the_page(inspected: Inspected) -> None:
    assert inspected.ask("/_unigate/?token=old").all("location") == ["/_unigate/"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "none, cross-site", "NONE"])
@pytest.mark.parametrize("path", [*PATHS, f"?token={TOKEN}"])
def test_another_site_may_not_ask_for_a_part_of_the_page(
    inspected: Inspected, path: str, site: str
) -> None:
    answer = inspected.ask(f"/_unigate/{path}", headers=[("sec-fetch-site", site)])
    assert answer.status == 403
    assert answer.all("set-cookie") == []
    assert inspected.ask("/", headers=[("sec-fetch-site", site)]).status == 200


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_the_page_and_the_user_may(inspected: Inspected, site: str) -> None:
    assert inspected.ask("/_unigate/1", headers=[("sec-fetch-site", site)]).status == 200
    assert inspected.post("1/replay", {}, **{"sec-fetch-site": site}).status == 200


def test_a_post_of_another_site_with_the_origin_of_the_page_is_refused(
    inspected: Inspected,
) -> None:
    fields = {"sec-fetch-site": "cross-site", "origin": ORIGIN}
    assert inspected.post("1/replay", {}, **fields).status == 403


HOSTS = {
    "localhost": True,
    "LOCALHOST:8000": True,
    "localhost:1": True,  # a forwarded port
    "127.0.0.1": True,
    "127.0.0.1:8000": True,
    "[::1]": True,
    "[::1]:8000": True,
    "192.0.2.7": True,
    "box.example:8000": True,
    "": False,
    ":8000": False,
    "127.0.0.2": False,
    "127.1": False,
    "0.0.0.0": False,
    "::1": False,
    "[::1": False,
    "[::2]": False,
    "[127.0.0.1]": False,
    "localhost.": False,
    "a.localhost": False,
    "localhost.evil.test": False,
    "evil.test#localhost": False,
    "evil.test@localhost": False,
    "localhost@evil.test": False,
    "localhost:8000@evil.test": False,
    "localhost:": False,
    "localhost:x": False,
    "localhost:8000:8000": False,
    "localhost, evil.test": False,
    "localhost evil.test": False,
    "other.example": False,
    "x.box.example": False,
    "abc.ngrok-free.app": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_is_an_exact_name_of_the_server(host: str) -> None:
    inspected = Inspected(echo, address=("192.0.2.7", 8000), name="Box.example")
    fields = [("host", host.encode().decode("latin-1"))]
    assert inspected.ask("/_unigate/", headers=fields).status == (200 if HOSTS[host] else 403)
    assert inspected.ask("/", headers=fields).status == 200


def test_a_machine_may_open_its_own_address() -> None:
    inspected = Inspected(echo, address=("192.0.2.7", 8000))
    fields = [("host", "192.0.2.7:8000")]
    assert inspected.ask("/_unigate/", headers=fields, peer="192.0.2.7").status == 200
    assert inspected.ask("/_unigate/", headers=fields, peer="192.0.2.8").status == 403


def test_servers_on_two_ports_have_two_cookies() -> None:
    other = Inspected(echo, address=("127.0.0.1", 8001))
    assert other.ask("/_unigate/").status == 403
    both = f"{COOKIE[1]}-old; unigate-8001={TOKEN}"
    assert other.ask("/_unigate/", headers=[("cookie", both)]).status == 200
