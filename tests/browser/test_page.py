"""The `page` fixture: it notices problems, and nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.dev_server import Dev

APPLICATION = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/missing.js":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such script"]
    start_response("200 OK", [("Content-Type", "text/html")])
    return [
        b"<h1>", environ["HTTP_HOST"].encode(), b"</h1>"
        b"<script>console.error('spilt')</script>"
        b"<script>throw Error('scalded')</script>"
        b"<script src=/missing.js></script>"
        b"<img src=http://elsewhere.example/cup.png>"
    ]
"""


def test_problems_of_a_page_are_noticed(
    page: Page, problems: list[str], dev: Callable[..., Dev], tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(APPLICATION)
    url = dev("main:app", "--no-reload").url
    page.goto(url)
    assert sorted(problems) == [
        f"404 GET {url}/missing.js",
        "net::ERR_NAME_NOT_RESOLVED GET http://elsewhere.example/cup.png",
        "scalded",
        f"spilt ({url}/)",
    ]
    problems.clear()


def test_a_name_below_test_is_this_machine(
    page: Page, problems: list[str], dev: Callable[..., Dev], tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(APPLICATION)
    _, _, port = dev("main:app", "--no-reload").url.rpartition(":")
    page.goto(f"http://teapot.test:{port}/")
    expect(page.locator("h1")).to_have_text(f"teapot.test:{port}")
    problems.clear()
