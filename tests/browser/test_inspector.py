"""The inspector page in a browser: requests appear, and can be sent again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.dev_server import SECONDS, Dev, until
from tests.browser.inspected import APPLICATION, STREAMING, ask, opened, section


@pytest.fixture
def server(dev: Callable[..., Dev], tmp_path: Path) -> Dev:
    (tmp_path / "main.py").write_text(APPLICATION)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    return dev("main:app")


def test_a_request_appears_without_a_reload_and_its_event_is_shown(page: Page, server: Dev) -> None:
    opened(page, server)
    rows = page.locator("#exchanges li")
    expect(rows).to_have_count(0)
    ask(server, "/tea?milk=no", b"two lumps", Authorization="Bearer hush", X_Tea="green")
    expect(rows).to_have_count(1)
    expect(rows.locator(".status")).to_have_text("200")
    expect(rows.locator(".line")).to_have_text("POST /tea?milk=no")
    rows.locator("a").press("Enter")
    expect(page.locator("h2")).to_have_text("POST /tea?milk=no")
    event = json.loads(section(page, "Event"))
    assert (event["rawPath"], event["rawQueryString"]) == ("/tea", "milk=no")
    assert event["headers"]["authorization"] == "Bearer (masked)"
    assert json.loads(section(page, "Common request"))["source"] == "http_api"
    assert json.loads(section(page, "Reply"))["statusCode"] == 200
    assert "two lumps" in section(page, "HTTP request")
    expect(page.locator(".logs li")).to_have_text("WARNING shop brewing <i>/tea</i>")
    expect(page.locator(".times")).to_contain_text("cold")
    assert "hush" not in page.content()


def test_a_streamed_request_is_shown_with_its_reports(
    page: Page, dev: Callable[..., Dev], tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(STREAMING)
    server = dev("main:app", "--stream", "--no-reload")
    opened(page, server)
    with urlopen(f"{server.url}/tea", timeout=SECONDS) as response:
        assert response.read(5) == b"first"
        page.locator("#exchanges a").click()
        expect(page.locator(".logs li")).to_have_text("WARNING shop brewing")
        expect(page.locator(".times")).to_contain_text("reply")
        assert json.loads(section(page, "Reply"))["statusCode"] == 200
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator(".logs li")).to_have_text(["WARNING shop brewing", "ERROR shop spilt"])
    expect(page.locator(".trace pre")).to_contain_text("ZeroDivisionError")
    expect(page.locator(".times")).to_contain_text("total")
    expect(page.locator("#exchanges")).to_contain_text("cold")


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(
    page: Page, dev: Callable[..., Dev], tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(STREAMING)
    server = dev("main:app", "--stream", "--no-reload")
    opened(page, server)
    late: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/_unigate/1", hold)
    with urlopen(f"{server.url}/tea", timeout=SECONDS) as response:
        assert response.read(5) == b"first"
        page.locator("#exchanges a").click()
        until(lambda: page.wait_for_timeout(20) or late)
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    whole = page.locator("pre", has_text="firstsecond")
    expect(whole).to_be_visible()
    [(route, answer)] = late
    with page.expect_response("**/_unigate/1") as arrived:
        route.fulfill(response=answer)
    arrived.value.finished()
    page.evaluate("new Promise((done) => setTimeout(done, 50))")  # so the page has used the answer
    assert whole.is_visible()


def test_a_failure_is_shown_with_its_traceback(
    page: Page, server: Dev, problems: list[str]
) -> None:
    opened(page, server)
    page.evaluate("fetch('/boom')")
    page.locator("#exchanges a", has_text="/boom").click()
    expect(page.locator(".trace pre")).to_contain_text("ValueError: the kettle is <b>empty</b>")
    assert problems == [f"500 GET {server.url}/boom"]
    problems.clear()


def test_a_replay_as_another_source_is_shown_beside_the_first(page: Page, server: Dev) -> None:
    ask(server, "/tea", b"two lumps", X_Tea="green")
    opened(page, server)
    page.locator("#exchanges a").click()
    page.get_by_label("Event source of the replay").select_option("alb")
    page.get_by_role("button", name="Replay as").click()
    expect(page.locator("h2")).to_have_text("#1 as http_api and #2 as alb")
    expect(page.locator("#exchanges li")).to_have_count(2)
    expect(page.locator("#exchanges a[aria-current]")).to_have_count(2)
    event = page.locator("details", has=page.locator("summary", has_text="Event"))
    expect(event.locator("td", has_text='"rawPath": "/tea"')).to_be_visible()
    expect(event.locator("td", has_text='"targetGroupArn"')).to_be_visible()
    answer = page.locator("details", has=page.locator("summary", has_text="HTTP response"))
    expect(answer.locator("mark", has_text='"source": "http_api"')).to_be_visible()
    expect(answer.locator("mark", has_text='"source": "alb"')).to_be_visible()
    page.locator("h2 a", has_text="#2").click()
    expect(page.locator(".times")).to_contain_text("compare with #1")


def test_the_printed_address_lets_the_browser_in_and_a_cookie_keeps_it_in(
    page: Page, server: Dev
) -> None:
    refused = page.goto(f"{server.url}/_unigate/")
    assert refused is not None
    assert refused.status == 403
    expect(page.locator("body")).to_contain_text("Open the address of this page")
    assert page.context.cookies() == []
    opened(page, server)
    assert page.url == f"{server.url}/_unigate/"
    [cookie] = page.context.cookies()
    assert (cookie["path"], cookie["httpOnly"]) == ("/_unigate", True)
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    page.goto("about:blank")
    page.goto(f"{server.url}/_unigate/")
    expect(page.locator("#state")).to_have_text("live")
    page.reload()
    expect(page.locator("#state")).to_have_text("live")
    assert cookie["value"] not in page.goto(server.url).text()  # type: ignore[union-attr]


def test_a_page_that_is_refused_after_a_restart_says_what_to_do(
    page: Page, server: Dev, problems: list[str]
) -> None:
    page.route("**/stream*", lambda route: route.fulfill(status=403, body="refused"))
    page.goto(server.page)
    expect(page.locator("#state")).to_contain_text("open the address that the server has printed")
    assert len(problems) == 1
    problems.clear()


def test_a_request_is_sent_as_it_was_edited(page: Page, server: Dev, problems: list[str]) -> None:
    ask(server, "/tea", b"two lumps", Authorization="Bearer hush", X_Tea="green")
    opened(page, server)
    page.locator("#exchanges a").click()
    page.get_by_role("button", name="Edit and resend").click()
    expect(page.get_by_label("Path and query")).to_be_focused()
    page.get_by_label("Method").fill("PUT")
    fields = page.get_by_label("Header fields")
    written = fields.input_value()
    assert "authorization: Bearer (masked)" in written
    fields.fill(written.replace("green", "black"))
    page.get_by_label("Body").fill("three\nlumps")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("h2")).to_have_text("PUT /tea")
    seen = json.loads(section(page, "HTTP response").rpartition("\n")[2])
    assert (seen["method"], seen["tea"], seen["body"]) == ("PUT", "black", "three\nlumps")
    assert seen["authorized"]

    page.get_by_role("button", name="Edit and resend").click()
    page.get_by_label("Path and query").fill("tea")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("The path must begin with /, got 'tea'.")
    assert problems == [f"400 POST {server.url}/_unigate/2/resend"]
    problems.clear()


def test_copies_are_on_the_clipboard(page: Page, server: Dev) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(server, "/tea", X_Tea="green")
    opened(page, server)
    page.locator("#exchanges a").click()
    for name, beginning in (("curl", "curl --include"), ("pytest test", "from unigate.testing")):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("button", name="copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(beginning)
        assert "green" in copied
        expect(page.get_by_role("button", name="copied")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="event file").click()
    assert download.value.suggested_filename == "http_api-1.json"
    assert json.loads(download.value.path().read_text())["rawPath"] == "/tea"


def test_the_page_goes_on_after_a_reload_of_the_server(
    page: Page, server: Dev, tmp_path: Path
) -> None:
    ask(server, "/tea")
    opened(page, server)
    page.evaluate("window.same = true")
    page.locator("#exchanges a").click()
    (tmp_path / "words.py").write_text("GREETING = 'Good evening'")
    until(lambda: "Good evening" in ask(server, "/tea"))
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator(".times")).to_contain_text("compare with #1")
    assert "Good evening" in section(page, "HTTP response")
    expect(page.locator("#state")).to_have_text("live")
    numbers = page.locator("#exchanges .number").all_inner_texts()
    assert numbers == [f"#{number}" for number in range(len(numbers), 0, -1)]
    assert page.evaluate("window.same")


def test_another_site_can_neither_see_nor_do_anything(
    page: Page, server: Dev, problems: list[str]
) -> None:
    ask(server, "/tea")
    _, _, port = server.url.rpartition(":")
    foreign = f"http://teapot.test:{port}"

    answer = page.goto(f"{foreign}/_unigate/")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("body")).to_have_text("Open this page at localhost or 127.0.0.1.")

    # The browser has the cookie of the page, and the pages of other ports are of the same site.
    opened(page, server)
    same_site = server.url.replace("127.0.0.1", "localhost")
    for site in (foreign, same_site):
        page.goto(f"{site}/elsewhere")
        problems.clear()
        for path in ("1", "static/icon.svg"):
            loaded = """url => new Promise((done) => {
                const image = new Image();
                image.onload = () => done("shown");
                image.onerror = () => done("refused");
                image.src = url;
            })"""
            assert page.evaluate(loaded, f"{server.url}/_unigate/{path}") == "refused"
        for address in (f"{server.url}/_unigate/", f"{server.url}/_unigate/1/1", server.page):
            page.goto(f"{site}/elsewhere")
            with page.expect_navigation(url=address) as followed:
                page.evaluate("url => { location = url }", address)
            assert followed.value is not None
            assert followed.value.status == 403
            assert "Only the page itself may send this request." in followed.value.text()

    page.goto(f"{foreign}/elsewhere")
    problems.clear()
    tried = """(url, options) => fetch(url, options).then(() => "let in", () => "refused")"""
    tried = f"([url, options]) => ({tried})(url, options)"
    post = {"method": "POST", "mode": "no-cors", "body": "{}"}
    for path, options in (("1/replay", post), ("1/resend", post), ("1", {})):
        url = f"{server.url}/_unigate/{path}"
        assert page.evaluate(tried, [url, options]) == "refused"
    assert problems
    problems.clear()

    opened(page, server)
    expect(page.locator("#exchanges .line", has_text="/tea")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_in_both_colour_schemes(page: Page, server: Dev, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    ask(server, "/tea")
    opened(page, server)
    page.locator("#exchanges a").click()
    expect(page.locator("h2")).to_be_visible()
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide)
    colours = """selector => {
        const style = getComputedStyle(document.querySelector(selector));
        const light = text => text.match(/\\d+/g).slice(0, 3)
            .map(Number).reduce((sum, one) => sum + one) / 3;
        return [light(style.color), light(style.backgroundColor)];
    }"""
    ink, paper = page.evaluate(colours, "body")
    assert (ink < 80 and paper > 200) if scheme == "light" else (ink > 200 and paper < 80)
