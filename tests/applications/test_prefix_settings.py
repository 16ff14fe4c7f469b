"""The prefix settings of Dash, WsgiDAV and Flask-Admin do what guides/prefixes.md says of them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.servers.processes import ROOT

from .environments import environment

REQUIREMENTS = ("dash==4.4.1", "flask-admin==2.2.1", "wsgidav==4.4.0")
STAGES = ("", "/prod")
SECONDS = 120

PAGE = {
    "dash": '`Dash(requests_pathname_prefix="/v2/", routes_pathname_prefix="/")`',
    "wsgidav": '`"mount_path": "/v2"` in its configuration',
    "flask-admin": '`admin.url = "/v2/admin"` after the last `admin.add_view(...)`',
}
# Links that lead out of the application although the setting is there.
LEFT: dict[str, set[str]] = {"dash": set(), "wsgidav": {"/folder/"}, "flask-admin": set()}
# Links that do without it.
WITHOUT = {
    "dash": {"/_dash-layout", "/_dash-dependencies"},
    "wsgidav": {"/", "/folder/", "/a%20file.txt"},
    "flask-admin": {"/admin"},
}


def visit(name: str, *cases: tuple[str, bool]) -> list[dict[str, Any]]:
    """Return the links of an application, for stages with the setting or without."""
    python = environment("prefix-settings", REQUIREMENTS)
    ran = subprocess.run(
        [str(python), "-W", "ignore", "-m", "tests.applications.prefix_settings", name],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def outside(links: dict[str, Any]) -> set[str]:
    return {link for link, status in links.items() if status == "outside"}


@pytest.mark.parametrize("name", PAGE)
def test_with_the_setting_all_links_stay_below_the_prefix(name: str) -> None:
    assert PAGE[name] in (ROOT / "docs/guides/prefixes.md").read_text("utf-8")
    for links in visit(name, *((stage, True) for stage in STAGES)):
        assert len(links) > len(LEFT[name]) + 2
        assert outside(links) == LEFT[name]
        assert {links[link] for link in links.keys() - LEFT[name]} == {200}, links


@pytest.mark.parametrize("name", PAGE)
def test_without_the_setting_links_lead_out_of_the_application(name: str) -> None:
    [links] = visit(name, ("/prod", False))
    assert outside(links) >= WITHOUT[name]
    if name == "flask-admin":  # "for the link of its name alone"
        assert outside(links) == WITHOUT[name]
