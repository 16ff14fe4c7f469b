"""The Django example in a browser: cookies, redirects, CSRF, static files, the admin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.dev_server import serving
from tests.browser.pages import Site, cookies, targets

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "example_django"
NAME, PASSWORD = "Zoë", "two lumps, & a dash"
VARIABLES = {
    "DJANGO_SETTINGS_MODULE": "guestbook.settings",
    "DJANGO_SUPERUSER_USERNAME": NAME,
    "DJANGO_SUPERUSER_EMAIL": "zoe@example.org",
    "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contrib"), str(PROJECT)]),
}
CREATE_DATABASE = """
import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, verbosity=0)
"""
STATIC_TYPES = {
    ".css": 'text/css; charset="utf-8"',
    ".js": 'text/javascript; charset="utf-8"',
    ".svg": "image/svg+xml",
}
SITES = [
    ("rest_api", ""),
    ("rest_api", "/prod"),
    ("http_api", "/prod"),
    ("alb", ""),
    ("vercel", ""),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a guestbook with a superuser and without entries."""
    file = tmp_path_factory.mktemp("guestbook") / "guestbook.sqlite3"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CREATE_DATABASE],
        cwd=PROJECT, env={**os.environ, **VARIABLES, "DJANGO_DATABASE": str(file)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module", params=SITES, ids="".join)
def site(
    request: pytest.FixtureRequest, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve the example through an event source, with its own copy of the database."""
    source, stage = request.param
    folder = tmp_path_factory.mktemp(source)
    options = ["--as", source, "--no-reload"]
    variables = {**VARIABLES, "DJANGO_DATABASE": str(shutil.copy(database, folder))}
    if stage:
        options += ["--stage", stage.lstrip("/")]
        variables["DJANGO_COOKIE_PATH"] = stage
    with serving(folder, folder, "api.index:app", *options, **variables) as server:
        yield Site(server, source, stage)
        assert server.err == ""


@pytest.fixture
def answers(page: Page, site: Site) -> Iterator[list[Response]]:
    """Collect the responses of the browser; all URLs must lie below the stage."""
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    yield responses
    assert [each.url for each in responses if not each.url.startswith(site.url)] == []


def test_signing_the_guestbook(page: Page, site: Site, answers: list[Response]) -> None:
    page.goto(f"{site.url}/")
    expect(page.get_by_role("button")).to_have_css("background-color", "rgb(12, 107, 74)")
    assert targets(page) == {f"{site.url}/static/guestbook/style.css", f"{site.url}/admin/"}
    expect(page.locator("footer code")).to_have_text(site.source)

    sign(page, NAME, "   ")
    expect(page.locator(".errorlist")).to_have_text("This field is required.")
    expect(page.get_by_label("Name")).to_have_value(NAME)
    sign(page, NAME, "1 + 1 = 2 & <b>größer</b>\nas typed")
    expect(page.locator(".messages")).to_have_text(f"Thank you, {NAME}.")
    expect(page).to_have_url(f"{site.url}/")
    refused, accepted = (answer for answer in answers if answer.request.method == "POST")
    assert refused.status == 422
    assert (accepted.status, accepted.headers["location"]) == (302, f"{site.stage}/")

    page.reload()
    expect(page.locator(".messages")).to_have_count(0)
    expect(page.locator(".entries p").first).to_have_text("1 + 1 = 2 & <b>größer</b>\nas typed")
    assert cookies(page) == {"csrftoken": (site.stage or "/", False)}


def test_a_form_of_another_origin_is_refused(page: Page, site: Site) -> None:
    page.goto(site.server.url)
    expect(page).to_have_url(f"{site.url}/")
    form = page.locator("form").evaluate(
        "form => { form.action = location; return form.outerHTML }"
    )
    page.goto("about:blank")
    page.set_content(form)
    with page.expect_response(f"{site.url}/") as refused:
        sign(page, "Mallory", "from elsewhere")
    assert refused.value.status == 403
    page.goto(f"{site.url}/")
    expect(page.get_by_text("Mallory")).to_have_count(0)


def test_the_admin_from_login_to_logout(page: Page, site: Site, answers: list[Response]) -> None:
    page.goto(f"{site.url}/admin")
    expect(page).to_have_url(f"{site.url}/admin/login/?next={site.stage}/admin/")
    expect(page.locator("#header")).to_have_css("background-color", "rgb(65, 118, 144)")
    log_in(page, "one lump")
    expect(page.locator(".errornote")).to_contain_text("Please enter the correct username")
    assert "sessionid" not in cookies(page)

    log_in(page, PASSWORD)
    expect(page).to_have_url(f"{site.url}/admin/")
    expect(page.locator("#user-tools strong")).to_have_text(NAME)
    assert cookies(page)["sessionid"] == (site.stage or "/", True)
    assert not {url for url in targets(page) if not url.startswith(site.url)}

    page.locator("a.addlink[href$='/entry/add/']").click()
    page.get_by_label("Name").fill("Søren")
    page.get_by_label("Message").fill("from the admin")
    # Until its scripts have run, the sidebar appears and moves the button.
    page.wait_for_load_state()
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(f"{site.url}/admin/guestbook/entry/")
    expect(page.locator(".messagelist .success")).to_contain_text("was added successfully.")
    page.get_by_role("textbox", name="Search").fill("Sør")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(f"{site.url}/admin/guestbook/entry/?q=S%C3%B8r")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)

    page.get_by_role("link", name="View site").click()
    expect(page.locator(".entries")).to_contain_text("from the admin")
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#content h1")).to_have_text("Logged out")
    assert "sessionid" not in cookies(page)
    page.goto(f"{site.url}/admin/guestbook/entry/")
    expect(page).to_have_url(f"{site.url}/admin/login/?next={site.stage}/admin/guestbook/entry/")

    static = [answer for answer in answers if "/static/" in answer.url]
    assert {answer.status for answer in static} == {200}
    types = {(Path(answer.url).suffix, answer.headers["content-type"]) for answer in static}
    assert types == set(STATIC_TYPES.items())


def sign(page: Page, name: str, message: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name="Sign").click()


def log_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
