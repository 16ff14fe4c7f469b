"""A browser, Debian's Chromium driven by Playwright, and `unigate dev` as its server."""

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
    "--no-sandbox",  # root has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-smooth-scrolling",  # clicks would wait for it
    # Nothing leaves the machine; http://<any name>.test is a foreign name of this machine.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND,"
    " EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module.

    Not for longer: while Playwright's event loop counts as running in this thread, the tests of
    other modules could not start one.
    """
    program = shutil.which("chromium")
    assert program, "These tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> list[str]:
    """The problems of a page; a test that expects some removes them."""
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str], dev: object, bounded: None) -> Iterator[Page]:
    """A page without cookies, which is closed before the servers that `dev` started.

    The test fails if the page logs an error, raises one, or lacks a resource. The status of the
    page itself is up to the test. No test takes longer than `bounded` allows.
    """
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(SECONDS * 1000)
        _watch(context, problems)
        yield context.new_page()
    assert problems == []


@pytest.fixture
def dev(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Dev]]:
    """Start `unigate dev` in the test's folder: dev("main:app", "--as", "alb", VARIABLE="value").

    SIGTERM stops it after the test, which fails if that takes long or the exit code is not 0.
    """
    with ExitStack() as stack:

        def start(target: str, *options: str, folder: Path = tmp_path, **variables: str) -> Dev:
            logs = tmp_path_factory.mktemp("dev")
            return stack.enter_context(serving(logs, folder, target, *options, **variables))

        yield start


def _watch(context: BrowserContext, problems: list[str]) -> None:
    def logged(message: ConsoleMessage) -> None:
        # Resources that failed to load are recorded below, with their addresses.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            problems.append(f"{message.text} ({message.location['url']})")

    def raised(error: WebError) -> None:
        problems.append(str(error.error))

    def answered(response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            problems.append(f"{response.status} {response.request.method} {response.url}")

    def failed(request: Request) -> None:
        # A page that is left cancels its open requests.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.failure} {request.method} {request.url}")

    context.on("console", logged)
    context.on("weberror", raised)
    context.on("response", answered)
    context.on("requestfailed", failed)
