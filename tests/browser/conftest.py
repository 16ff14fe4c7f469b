"""A real browser, Debian's Chromium driven by Playwright, and `unigate dev` for it to ask."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    WebError,
    expect,
    sync_playwright,
)

from tests.browser.dev_server import SECONDS, Dev, serving

OPTIONS = [
    "--no-sandbox",  # which root has none of
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-smooth-scrolling",  # which a click would wait for
    # Nothing leaves the machine; http://<any name>.test is this machine under a foreign name.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND,"
    " EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser for the tests of a module.

    No longer: until it ends, an event loop of Playwright's counts as running in this thread, in
    which the tests of other modules could start none.
    """
    program = shutil.which("chromium")
    assert program, "These tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> list[str]:
    """Hold what went wrong on a page; a test that expects it takes it out."""
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str], dev: object, bounded: None) -> Iterator[Page]:
    """Give a page of a browser without cookies; it ends before the servers that `dev` started.

    The test fails when the page logs an error, raises one, or does not get a part of it. That the
    page itself is an error is for the test to say.
    """
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(SECONDS * 1000)
        _watch(context, problems)
        yield context.new_page()
    assert problems == []


@pytest.fixture
def dev(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Dev]]:
    """Start `unigate dev` in the test's folder: dev("main:app", "--as", "alb", VARIABLE="value").

    It is ended by SIGTERM after the test, which fails if that takes long or its exit code is not 0.
    """
    with ExitStack() as stack:

        def start(target: str, *options: str, folder: Path = tmp_path, **variables: str) -> Dev:
            logs = tmp_path_factory.mktemp("dev")
            return stack.enter_context(serving(logs, folder, target, *options, **variables))

        yield start


def _watch(context: BrowserContext, problems: list[str]) -> None:
    def logged(message: ConsoleMessage) -> None:
        # What did not load is told below, with its address.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            problems.append(f"{message.text} ({message.location['url']})")

    def raised(error: WebError) -> None:
        problems.append(str(error.error))

    def answered(response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            problems.append(f"{response.status} {response.request.method} {response.url}")

    def failed(request: Request) -> None:
        # The page itself gives up on what it still waits for when it is left.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.failure} {request.method} {request.url}")

    context.on("console", logged)
    context.on("weberror", raised)
    context.on("response", answered)
    context.on("requestfailed", failed)
