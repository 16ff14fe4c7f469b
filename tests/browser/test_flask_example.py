"""The Flask example in a browser: links, a form, cookies, a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dev_server import serving
from tests.browser.pages import Site, cookies, targets

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "example_flask"
PATHS = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contrib"), str(PROJECT)])}
SITES = [("alb", ""), ("rest_api", "/prod")]


@pytest.fixture(scope="module", params=SITES, ids="".join)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    source, stage = request.param
    folder = tmp_path_factory.mktemp(source)
    options = ["--as", source, "--no-reload"]
    if stage:
        options += ["--stage", stage.lstrip("/")]
    with serving(folder, folder, "api.index:app", *options, **PATHS) as server:
        yield Site(server, source, stage)
        assert server.err == ""


def test_links_lead_to_the_site(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    expect(page.locator(".badge b")).to_have_text(site.source)
    assert len(targets(page)) > 10
    assert not {url for url in targets(page) if not url.startswith(f"{site.url}/")}

    page.get_by_role("link", name="a decoded path").click()
    expect(page.locator("h1")).to_have_text("Hello, Åsa / Öz!")
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="counts start-ups").click()
    expect(page).to_have_url(f"{site.url}/v2/")
    expect(page.locator("body")).to_contain_text('"startups":1')


def test_a_form_arrives_as_typed(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("td")).to_have_text(["Zoë & Søren", "1 + 1 = 2"])
    expect(page).to_have_url(f"{site.url}/form")


def test_two_cookies_are_set_in_one_response_and_deleted_in_another(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    shown = page.locator("#cookies td")
    for visits in ("1", "2"):
        page.get_by_role("button", name="Set both").click()
        expect(shown).to_have_text([visits, "oatmeal"])
    expect(page).to_have_url(f"{site.url}/#cookies")
    assert cookies(page) == {"visits": ("/", True), "flavour": ("/", True)}

    page.get_by_role("button", name="Delete both").click()
    expect(shown).to_have_text(["none", "none"])
    assert cookies(page) == {}


def test_an_uploaded_file_arrives_unchanged(page: Page, site: Site) -> None:
    content = bytes(range(256)) * 300
    page.goto(f"{site.url}/")
    page.get_by_label("File").set_input_files(
        {"name": "größe.bin", "mimeType": "application/x-tea", "buffer": content}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("td")).to_have_text(
        ["größe.bin", "application/x-tea", "76800", hashlib.sha256(content).hexdigest()]
    )
