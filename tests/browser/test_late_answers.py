"""Answers that reach the inspector page late, and must not undo what the user does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.dev_server import SECONDS, Dev, until
from tests.browser.inspected import APPLICATION, STREAMING, ask, opened

SETTLE = "new Promise((done) => setTimeout(done, 100))"  # until the page has used what came


class Held:
    """The answers to a path, or only the first `limit` of them, kept back until `release`."""

    def __init__(self, page: Page, path: str, limit: int = 100) -> None:
        self._page = page
        self._path = f"**/_unigate/{path}"
        self._limit = limit
        self._answers: list[tuple[Route, APIResponse]] = []
        page.route(self._path, self._hold)

    def _hold(self, route: Route) -> None:
        if len(self._answers) < self._limit:
            self._answers.append((route, route.fetch()))
        else:
            route.continue_()

    def wait(self) -> None:
        until(lambda: self._page.wait_for_timeout(20) or self._answers)

    def release(self) -> None:
        self._limit = 0
        for route, answer in self._answers:
            with self._page.expect_response(self._path) as arrived:
                route.fulfill(response=answer)
            arrived.value.finished()
        self._page.evaluate(SETTLE)


@pytest.fixture
def server(dev: Callable[..., Dev], tmp_path: Path) -> Dev:
    """Serve two requests, each of which is in the list."""
    (tmp_path / "main.py").write_text(APPLICATION)
    (tmp_path / "words.py").write_text("GREETING = 'Good morning'")
    server = dev("main:app", "--no-reload")
    for path in ("/tea", "/coffee"):
        ask(server, path)
    return server


@pytest.fixture
def streaming(dev: Callable[..., Dev], tmp_path: Path) -> Dev:
    (tmp_path / "main.py").write_text(STREAMING)
    return dev("main:app", "--stream", "--no-reload")


@contextmanager
def begun(page: Page, server: Dev) -> Iterator[HTTPResponse]:
    """Open the page at a request whose response has begun."""
    opened(page, server)
    with urlopen(f"{server.url}/tea", timeout=SECONDS) as response:
        assert response.read(5) == b"first"
        page.locator("#exchanges a").click()
        expect(page.locator(".times")).to_contain_text("first byte")
        page.evaluate(SETTLE)
        yield response


def choose(page: Page, path: str) -> None:
    page.locator("#exchanges a", has_text=path).click()
    expect(page.locator("h2")).to_have_text(f"GET {path}")


def select(page: Page, selector: str) -> None:
    page.locator(selector).evaluate("element => getSelection().selectAllChildren(element)")


def edit(page: Page, target: str) -> None:
    page.get_by_role("button", name="Edit and resend").click()
    page.get_by_label("Path and query").fill(target)


# Live updates.


def test_a_form_opened_before_the_update_arrives_keeps_its_text(
    page: Page, streaming: Dev, tmp_path: Path
) -> None:
    with begun(page, streaming) as response:
        update = Held(page, "1")
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
        update.wait()
    edit(page, "/coffee")
    update.release()
    field = page.get_by_label("Path and query")
    expect(page.locator("pre", has_text="firstsecond")).to_be_visible()
    expect(field).to_have_value("/coffee")
    expect(field).to_be_focused()


def test_an_update_shows_around_an_open_form(page: Page, streaming: Dev, tmp_path: Path) -> None:
    with begun(page, streaming) as response:
        edit(page, "/coffee")
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator("pre", has_text="firstsecond")).to_be_visible()
    expect(page.get_by_label("Path and query")).to_have_value("/coffee")


def test_an_update_changes_only_what_is_new(page: Page, streaming: Dev, tmp_path: Path) -> None:
    def part(name: str) -> str:
        return f"details:has(> summary:text-is('{name}'))"

    with begun(page, streaming) as response:
        page.get_by_label("Event source of the replay").select_option("alb")
        page.locator(part("Common request")).locator("summary").click()
        select(page, f"{part('Event')} pre")
        page.get_by_role("button", name="Replay", exact=True).focus()
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator("pre", has_text="firstsecond")).to_be_visible()
    expect(page.locator(".trace pre")).to_contain_text("ZeroDivisionError")
    expect(page.get_by_label("Event source of the replay")).to_have_value("alb")
    expect(page.locator(part("Common request"))).not_to_have_attribute("open", "")
    expect(page.locator(part("Event"))).to_have_attribute("open", "")
    assert '"rawPath": "/tea"' in page.evaluate("getSelection().toString()")
    expect(page.get_by_role("button", name="Replay", exact=True)).to_be_focused()


def test_an_update_of_the_list_keeps_the_focus(page: Page, streaming: Dev, tmp_path: Path) -> None:
    with begun(page, streaming) as response:
        page.locator("#exchanges a").focus()
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator("#exchanges")).to_contain_text("streamed")
    expect(page.locator("#exchanges a")).to_be_focused()


def test_an_update_that_failed_is_made_again(
    page: Page, streaming: Dev, tmp_path: Path, problems: list[str]
) -> None:
    with begun(page, streaming) as response:
        page.route("**/_unigate/1", lambda route: route.abort())
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator("#exchanges")).to_contain_text("failed")
    until(lambda: page.wait_for_timeout(20) or problems)
    expect(page.get_by_role("alert")).to_have_text("")
    page.unroute("**/_unigate/1")
    ask(streaming, "/coffee")
    expect(page.locator("pre", has_text="firstsecond")).to_be_visible()
    problems.clear()


def test_rows_that_arrive_out_of_order_are_sorted(page: Page, server: Dev) -> None:
    ask(server, "/milk")
    row = """<li id=\\"row-{0}\\"><a href=\\"#{0}\\"><i class=\\"number\\">#{0}</i></a></li>"""
    events = [
        f'event: exchange\ndata: {{"number": {number}, "row": "{row.format(number)}"}}\n\n'
        for number in (5, 4, 6)
    ]
    body = "retry: 60000\n\n" + "".join(events)
    page.route(
        "**/stream*", lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )
    page.goto(server.page)
    expect(page.locator("#exchanges .number")).to_have_text([f"#{n}" for n in (6, 5, 4, 3, 2, 1)])


def test_a_restarted_server_does_not_discard_entered_text(page: Page, server: Dev) -> None:
    news = ["retry: 20\n\n"]
    page.route(
        "**/stream*", lambda route: route.fulfill(body=news[-1], content_type="text/event-stream")
    )
    page.goto(server.page)
    choose(page, "/tea")
    edit(page, "/milk")
    news.append("event: restart\ndata:\n\n")
    expect(page.locator("#state")).to_contain_text("reload this page")
    expect(page.get_by_label("Path and query")).to_have_value("/milk")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


# Another request is chosen.


def test_a_request_that_is_being_replaced_cannot_be_edited(page: Page, server: Dev) -> None:
    opened(page, server)
    choose(page, "/tea")
    coffee = Held(page, "2")
    page.locator("#exchanges a", has_text="/coffee").click()
    coffee.wait()
    page.get_by_text("Edit and resend").click(force=True)
    assert page.locator("#edit").is_hidden()
    coffee.release()
    expect(page.locator("h2")).to_have_text("GET /coffee")
    edit(page, "/milk")


def test_a_request_that_cannot_be_shown_leaves_the_last_one_usable(
    page: Page, server: Dev, problems: list[str]
) -> None:
    opened(page, server)
    choose(page, "/tea")
    page.route("**/_unigate/2", lambda route: route.fulfill(status=404, body="forgotten"))
    page.locator("#exchanges a", has_text="/coffee").click()
    expect(page.get_by_role("alert")).to_have_text("forgotten")
    edit(page, "/milk")
    problems.clear()


def test_a_failure_to_show_an_abandoned_request_is_not_reported(
    page: Page, server: Dev, problems: list[str]
) -> None:
    opened(page, server)
    held: list[Route] = []
    page.route("**/_unigate/2", lambda route: held.append(route))
    page.locator("#exchanges a", has_text="/coffee").click()
    until(lambda: page.wait_for_timeout(20) or held)
    choose(page, "/tea")
    with page.expect_response("**/_unigate/2") as arrived:
        held[0].fulfill(status=404, body="forgotten")
    arrived.value.finished()
    page.evaluate(SETTLE)
    expect(page.get_by_role("alert")).to_have_text("")
    problems.clear()


# Requests that are sent again.


def go_elsewhere(page: Page) -> None:
    choose(page, "/coffee")


def write(page: Page) -> None:
    edit(page, "/milk")


@pytest.mark.parametrize("act", [go_elsewhere, write])
def test_a_late_replay_does_not_call_the_user_back(
    page: Page, server: Dev, act: Callable[[Page], None]
) -> None:
    opened(page, server)
    choose(page, "/tea")
    replay = Held(page, "1/replay")
    page.get_by_role("button", name="Replay", exact=True).click()
    replay.wait()
    act(page)
    address = page.url
    replay.release()
    expect(page.locator("#exchanges li")).to_have_count(3)
    assert page.url == address
    if act is write:
        expect(page.get_by_label("Path and query")).to_have_value("/milk")


def test_the_last_of_several_replays_is_shown(page: Page, server: Dev) -> None:
    opened(page, server)
    choose(page, "/tea")
    first = Held(page, "1/replay", limit=1)
    page.get_by_role("button", name="Replay", exact=True).click()
    first.wait()
    page.get_by_label("Event source of the replay").select_option("alb")
    page.get_by_role("button", name="Replay as").click()
    expect(page.locator("h2")).to_have_text("#1 as http_api and #4 as alb")
    first.release()
    expect(page.locator("h2")).to_have_text("#1 as http_api and #4 as alb")
    assert page.url.endswith("#1/4")


# Messages.


def test_a_message_stays_while_the_request_is_updated(
    page: Page, streaming: Dev, tmp_path: Path, problems: list[str]
) -> None:
    with begun(page, streaming) as response:
        edit(page, "coffee")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_role("alert")).not_to_be_empty()
        message = page.get_by_role("alert").inner_text()
        page.get_by_role("button", name="Edit and resend").click()
        (tmp_path / "go.txt").touch()
        assert response.read() == b"second"
    expect(page.locator("pre", has_text="firstsecond")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text(message)
    problems.clear()


def test_the_failure_of_an_earlier_attempt_is_not_reported_after_a_later_one(
    page: Page, server: Dev, problems: list[str]
) -> None:
    opened(page, server)
    choose(page, "/tea")
    edit(page, "milk")
    refused = Held(page, "1/resend", limit=1)
    page.get_by_role("button", name="Send", exact=True).click()
    refused.wait()
    page.get_by_label("Path and query").fill("/milk")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("h2")).to_have_text("GET /milk")
    refused.release()
    expect(page.get_by_role("alert")).to_have_text("")
    problems.clear()


# Copies.


def test_a_button_clicked_twice_gets_its_name_back(page: Page, server: Dev) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, server)
    choose(page, "/tea")
    page.get_by_role("button", name="curl").dblclick()
    expect(page.get_by_role("button", name="copied")).to_be_visible()
    expect(page.get_by_role("button", name="copied")).to_be_hidden()
    expect(page.get_by_role("button", name="curl")).to_be_visible()


def click_another(page: Page) -> None:
    page.get_by_role("button", name="pytest test").click()
    expect(page.get_by_role("button", name="copied")).to_be_visible()


def press_the_keys(page: Page) -> None:
    select(page, "h2")
    page.keyboard.press("Control+c")


@pytest.mark.parametrize(
    ("act", "expected"), [(click_another, "from unigate.testing"), (press_the_keys, "GET /tea")]
)
def test_a_late_copy_does_not_replace_a_newer_one(
    page: Page, server: Dev, act: Callable[[Page], None], expected: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, server)
    choose(page, "/tea")
    late = Held(page, "1/curl")
    page.get_by_role("button", name="curl").click()
    late.wait()
    act(page)
    late.release()
    assert page.evaluate("navigator.clipboard.readText()").startswith(expected)
