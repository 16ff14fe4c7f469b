"""The built site: its links, and what axe finds in its pages on a phone and on a desktop."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from docs.platform_table import PAGE, with_table

from .pages import DOCS, ROOT

SITE = ROOT / ".cache/docs"
AXE = ROOT / ".cache/axe/node_modules/axe-core/axe.min.js"
SERIOUS = {"serious", "critical"}


class Links(HTMLParser):
    """The targets and the anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors = {""}
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what a tag links to, and its name."""
        values = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := values.get(name)))
        for name in ("href", "src"):
            if value := values.get(name):
                self.targets.append(value)


@pytest.fixture(scope="module")
def site() -> dict[Path, Links]:
    assert (SITE / "index.html").exists(), "Build the site first: make docs."
    return {page: Links(page) for page in SITE.rglob("*.html")}


def test_every_page_is_built(site: dict[Path, Links]) -> None:
    for page in DOCS.rglob("*.md"):
        assert SITE / page.relative_to(DOCS).with_suffix(".html") in site


def test_internal_links_lead_somewhere(site: dict[Path, Links]) -> None:
    broken = []
    for page, links in site.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchored = site[file].anchors if file in site else {unquote(parts.fragment)}
            if not file.is_file() or unquote(parts.fragment) not in anchored:
                broken.append(f"{page.relative_to(SITE)}: {target}")
    assert broken == []


def test_external_links_are_https(site: dict[Path, Links]) -> None:
    for page, links in site.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.netloc:
                assert parts.scheme == "https", (page, target)
                assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", parts.netloc), (page, target)


def test_the_table_of_platforms_is_current() -> None:
    text = PAGE.read_text("utf-8")
    assert text == with_table(text)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)
def test_axe_finds_nothing_serious(
    width: int, scheme: Any, site: dict[Path, Links], url: str, page: Page
) -> None:
    axe = AXE.read_text("utf-8")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    findings = []
    for file in sorted(site):
        name = file.relative_to(SITE).as_posix()
        page.goto(f"{url}/{name}")
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for violation in result["violations"]:
            if violation["impact"] in SERIOUS:
                targets = [node["target"] for node in violation["nodes"][:3]]
                findings.append((name, violation["id"], targets))
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            findings.append((name, "wider than the screen", wide))
    assert findings == []
