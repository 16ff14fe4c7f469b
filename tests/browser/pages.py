"""Steps that the tests of the examples share."""

from __future__ import annotations

from typing import NamedTuple

from playwright.sync_api import Page

from tests.browser.dev_server import Dev


class Site(NamedTuple):
    """An example that is served as an event source; `url` includes the stage, such as "/prod"."""

    server: Dev
    source: str
    stage: str

    @property
    def url(self) -> str:
        return self.server.url + self.stage


def targets(page: Page) -> set[str]:
    """Return the addresses of all links, resources and forms on a page."""
    found = page.locator("[href], [src], [action]").evaluate_all(
        """elements => elements.map(element => new URL(
            element.getAttribute("href") ?? element.getAttribute("src") ??
            element.getAttribute("action"), document.baseURI).href)"""
    )
    return {url for url in found if not url.startswith("data:")}


def cookies(page: Page) -> dict[str, tuple[str, bool]]:
    """Return the path of each cookie, and whether it is hidden from scripts."""
    return {
        cookie["name"]: (cookie["path"], cookie["httpOnly"]) for cookie in page.context.cookies()
    }
