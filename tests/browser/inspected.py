"""Applications to inspect, and steps that the tests of the inspector page share."""

from __future__ import annotations

from urllib.request import Request, urlopen

from playwright.sync_api import Page, expect

from tests.browser.dev_server import SECONDS, Dev

APPLICATION = """
import json
import logging

import words


def app(environ, start_response):
    request = environ["unigate.request"]
    if request.path == "/boom":
        raise ValueError("the kettle is <b>empty</b>")
    if request.path == "/elsewhere":
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<h1>another site</h1>"]
    logging.getLogger("shop").warning("brewing <i>%s</i>", request.path)
    seen = {
        "greeting": words.GREETING,
        "source": request.source,
        "method": request.method,
        "tea": environ.get("HTTP_X_TEA"),
        "authorized": environ.get("HTTP_AUTHORIZATION") == "Bearer hush",
        "body": environ["wsgi.input"].read().decode(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
"""

STREAMING = """
import logging
import time
from pathlib import Path

import unigate

log = logging.getLogger("shop")


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    log.warning("brewing")
    unigate.wait_until(spill)
    yield b"first"
    while not Path("go.txt").exists():
        time.sleep(0.02)
    yield b"second"


def spill():
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("spilt")
"""


def ask(server: Dev, target: str, body: bytes | None = None, **fields: str) -> str:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    request = Request(server.url + target, body, headers)
    with urlopen(request, timeout=SECONDS) as response:
        content: bytes = response.read()
        return content.decode()


def opened(page: Page, server: Dev) -> None:
    page.goto(server.page)
    expect(page.locator("#state")).to_have_text("live")


def section(page: Page, heading: str) -> str:
    found = page.locator("details", has=page.locator("summary", has_text=heading)).locator("pre")
    expect(found).to_have_count(1)
    return found.inner_text()
