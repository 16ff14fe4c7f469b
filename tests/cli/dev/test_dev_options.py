"""Options of `unigate dev` for the local host: the mount and the client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import unigate
from tests.cli.dev.dev_server import dev
from tests.cli.dev.inspecting import Inspected
from unigate.cli.dev.local_host import STAGED, Setup
from unigate.cli.dev.visitor import Place, Visitor
from unigate.cli.main import main
from unigate.client.providers import PROVIDERS
from unigate.emulator import EVENT_SOURCES
from unigate.types import Environ, StartResponse

# A server that should have refused to start would run for ever.
pytestmark = pytest.mark.usefixtures("bounded")

APPLICATION = """
import json

import unigate
from unigate.client.providers import provider


def app(environ, start_response):
    request = environ["unigate.request"]
    start_response("200 OK", [("Content-Type", "application/json")])
    place = request.geolocation
    seen = {
        "source": request.source,
        "script": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "raw": request.raw_path.decode(),
        "ip": request.ip_address,
        "city": place["city"],
        "country": place["country"],
        "event": request.event,
    }
    return [json.dumps(seen).encode()]


gateway = unigate.wrap(app)
based = unigate.wrap(app, base_path="/api")
cloudflare = unigate.wrap(app, platform="cloudflare")
fly = unigate.wrap(app, platform="fly")
balanced = unigate.wrap(
    app,
    platform=provider("google-load-balancer", country="x-country", city="x-city"),
    trusted_proxies=["127.0.0.0/8"],
)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "placed.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "placed", raising=False)
    return tmp_path


def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
    namespace: dict[str, Any] = {}
    exec(APPLICATION, namespace)
    answer: list[bytes] = namespace["app"](environ, start_response)
    return answer


# The mount.


@pytest.mark.parametrize("source", STAGED)
def test_a_stage_is_where_the_application_is_mounted(source: str) -> None:
    inspected = Inspected(app, Setup(source, stage="/prod"))
    seen = json.loads(inspected.ask("/prod/users/%C3%A9?page=2").body)
    assert (seen["script"], seen["path"].encode("latin-1").decode()) == ("/prod", "/users/é")
    assert seen["raw"] == "/prod/users/%C3%A9"
    assert seen["event"]["requestContext"]["stage"] == "prod"
    for path in ("/prod", "/prod/"):
        seen = json.loads(inspected.ask(path).body)
        assert (seen["script"], seen["path"]) == ("/prod", "/")


@pytest.mark.parametrize(
    "setup", [Setup("rest_api", stage="/prod"), Setup("alb", base_path="/prod")]
)
def test_outside_of_the_mount_only_the_host_answers(setup: Setup) -> None:
    inspected = Inspected(unigate.wrap(app, base_path=setup.base_path), setup)
    answer = inspected.ask("/")
    assert (answer.status, answer.all("location")) == (307, ["/prod/"])
    for path in ("/static/style.css", "/production/", "/favicon.ico"):
        answer = inspected.ask(path)
        assert (answer.status, answer.body) == (
            404,
            b"Not found: the application is mounted at /prod/.",
        )
    exchange = inspected.history.get(1)
    assert exchange is not None
    assert exchange.event is None
    assert "<summary>Event</summary>" not in inspected.page("1")
    assert inspected.ask("/_unigate/").status == 200


@pytest.mark.parametrize("path", ["/prod/users?page=2", "/prod?page=2", "/prod/"])
def test_a_test_asks_the_application_itself(path: str) -> None:
    inspected = Inspected(app, Setup("rest_api", stage="/prod"))
    inspected.ask(path)
    target = path.removeprefix("/prod")
    expected = target if target.startswith("/") else f"/{target}"
    assert f'client.get(\n        "{expected}",' in inspected.page("1/test")
    assert f"localhost:8000{path}" in inspected.page("1/curl")


def test_a_replay_as_a_source_without_stages_is_at_the_root() -> None:
    inspected = Inspected(app, Setup("rest_api", stage="/prod"))
    inspected.ask("/prod/users?page=2")
    for source, script in (("alb", ""), ("vercel", ""), ("http_api", "/prod")):
        inspected.post("1/replay", {"source": source})
        exchange = inspected.history.all()[-1]
        assert exchange.response is not None
        seen = json.loads(exchange.response.body)
        assert (seen["source"], seen["script"], seen["path"]) == (source, script, "/users")


@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_a_base_path_stays_on_the_path_of_every_source(source: str) -> None:
    gateway = unigate.wrap(app, base_path="/api")
    inspected = Inspected(gateway, Setup(source, base_path="/api"))
    seen = json.loads(inspected.ask("/api/users").body)
    assert (seen["script"], seen["path"], seen["raw"]) == ("/api", "/users", "/api/users")


@pytest.mark.parametrize("target", ["placed:app", "placed:based"])
@pytest.mark.parametrize("given", ["/api", "api/"])
def test_a_base_path_applies_to_an_application(target: str, given: str, project: Path) -> None:
    with dev(project, target, "--base-path", given, "--no-reload") as server:
        seen = json.loads(server.ask("/api/users").body)
        assert server.ask("/users").status == 404
    assert (seen["script"], seen["path"]) == ("/api", "/users")


# The client.


def addresses() -> list[str]:
    """Return the sources whose events contain the address of the client."""
    return [source for source in EVENT_SOURCES if source != "generic"]


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
@pytest.mark.parametrize("source", addresses())
def test_an_address_is_reported_as_each_platform_does(source: str, address: str) -> None:
    setup = Setup(source, visitor=Visitor(address))
    inspected = Inspected(app, setup)
    setup.visitor.check(source, unigate.wrap(app).deployment)
    assert json.loads(inspected.ask("/").body)["ip"] == address


@pytest.mark.parametrize("city", ["São Paulo", "Łódź", "東京", "Springfield", ""])
@pytest.mark.parametrize(("source", "platform"), [
    ("vercel", "vercel"), ("netlify", "netlify"), ("cloudfront", "cloudfront"),
    ("http_api", "cloudfront"), ("alb", "cloudflare"), ("generic", "app-engine"),
    ("yandex", "cloudflare"),
])  # fmt: skip
def test_a_place_is_reported_by_the_trusted_platform(source: str, platform: str, city: str) -> None:
    gateway = unigate.wrap(app, platform=platform)
    visitor = Visitor(None, Place(city, "BR"))
    visitor.check(source, gateway.deployment)
    seen = json.loads(Inspected(gateway, Setup(source, visitor=visitor)).ask("/").body)
    assert (seen["city"], seen["country"]) == (city or None, "BR")


def test_a_place_in_ascii_is_reported_by_akamai() -> None:
    gateway = unigate.wrap(app, platform="akamai")
    visitor = Visitor("203.0.113.7", Place("Ghent", "BE"))
    visitor.check("alb", gateway.deployment)
    seen = json.loads(Inspected(gateway, Setup("alb", visitor=visitor)).ask("/").body)
    assert (seen["city"], seen["country"], seen["ip"]) == ("Ghent", "BE", "203.0.113.7")


@pytest.mark.parametrize("proxies", [None, 1, "10.0.0.0/8"])
@pytest.mark.parametrize("platform", ["cloudfront", "cloudflare"])
def test_a_platform_in_front_is_a_trusted_proxy(platform: str, proxies: Any) -> None:
    gateway = unigate.wrap(app, platform=platform, trusted_proxies=proxies)
    visitor = Visitor("203.0.113.7", Place("Ghent", "BE"))
    visitor.check("alb", gateway.deployment)
    seen = json.loads(Inspected(gateway, Setup("alb", visitor=visitor)).ask("/").body)
    assert (seen["city"], seen["ip"]) == ("Ghent", "203.0.113.7")


def test_header_fields_of_the_client_are_overwritten() -> None:
    gateway = unigate.wrap(app, platform="cloudflare")
    setup = Setup("alb", visitor=Visitor("203.0.113.7", Place("Ghent", "BE")))
    fields = [("cf-connecting-ip", "6.6.6.6"), ("cf-ipcountry", "XX"), ("cf-ipcity", "Nowhere")]
    inspected = Inspected(gateway, setup)
    seen = json.loads(inspected.ask("/", headers=fields).body)
    assert (seen["city"], seen["country"], seen["ip"]) == ("Ghent", "BE", "203.0.113.7")
    exchange = inspected.history.get(1)
    assert exchange is not None
    assert exchange.sent.headers["cf-connecting-ip"] == "6.6.6.6"  # as the client sent it


@pytest.mark.parametrize(
    ("source", "platform"),
    [("http_api", "cloudfront"), ("vercel", "vercel"), ("netlify", "netlify")],
)
def test_the_options_reach_the_application(source: str, platform: str, project: Path) -> None:
    asking = ("--geo", "São Paulo,br", "--ip", "::ffff:203.0.113.7")
    options = (*asking, "--as", source, "--no-reload")
    with dev(project, "placed:gateway", *options) as server:
        seen = json.loads(server.ask("/").body)
    assert (seen["city"], seen["country"], seen["ip"]) == ("São Paulo", "BR", "203.0.113.7")
    header = PROVIDERS[platform].city or PROVIDERS[platform].packed
    assert header in json.dumps(seen["event"]).lower()


@pytest.mark.parametrize("name", ["cloudflare", "balanced"])
def test_the_runtime_reports_the_platform_that_the_application_trusts(
    name: str, project: Path
) -> None:
    options = ("--stream", "--no-reload", "--geo", "Ghent,BE")
    with dev(project, f"placed:{name}", *options) as server:
        seen = json.loads(server.ask("/").body)
    assert (seen["city"], seen["country"]) == ("Ghent", "BE")


def test_without_options_the_client_has_no_location(project: Path) -> None:
    with dev(project, "placed:gateway", "--no-reload") as server:
        seen = json.loads(server.ask("/").body)
    assert (seen["city"], seen["country"], seen["ip"]) == (None, None, "127.0.0.1")


# Errors.


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ["--stage", "prod", "--as", "alb"],
            "--stage requires --as rest_api or --as http_api, got alb.",
        ),
        (
            ["--stage", "prod", "--as", "function_url"],
            "--stage requires --as rest_api or --as http_api, got function_url.",
        ),
        (["--stage", "a/b"], "got 'a/b'."),
        (["--stage", ""], "got ''."),
        (["--stage", "prod", "--base-path", "/api"], "--base-path cannot be used with"),
        (["--base-path", "/api", "--stream"], "--base-path cannot be used with"),
        (["--base-path", "/a//b"], "base_path must be a path like"),
        (["--ip", "tea"], "must be an IP address, got 'tea'."),
        (["--ip", "203.0.113.7:80"], "must be an IP address, got '203.0.113.7:80'."),
        (
            ["--ip", "203.0.113.7", "--as", "generic"],
            "--ip: generic events do not carry the address",
        ),
        (["--geo", "Ghent"], "must end with a country code of two letters, got 'Ghent'."),
        (["--geo", "Ghent,"], "must end with a country code of two letters, got 'Ghent,'."),
        (["--geo", "Ghent,B3"], "must end with a country code of two letters, got 'Ghent,B3'."),
        (["--record", "placed.py"], "Directory 'placed.py' is a file."),
        (["--record", "placed.py/events"], "Invalid value for '--record'"),
        (["--functions", "nowhere"], "Directory 'nowhere' does not exist."),
        (["--functions", "."], "Pass either MODULE:APP or --functions, not both."),
        (["--functions", ".", "--stream"], "Pass either MODULE:APP or --functions, not both."),
    ],
)
def test_invalid_options_are_refused_in_one_line(
    options: list[str], problem: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev", "placed:gateway", "--port", "0", "--no-reload", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("unigate")
    assert problem in err


def test_a_folder_excludes_other_ways_to_serve(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, problem in (
        (["--stream"], "--stream requires MODULE:APP"),
        (["--base-path", "/api"], "--base-path cannot be used with"),
        (["--stage", "prod"], "got vercel."),
        (
            ["--ip", "203.0.113.7", "--as", "generic"],
            "--ip: generic events do not carry the address",
        ),
    ):
        assert main(["dev", "--functions", ".", *options, "--no-reload", "--port", "0"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert problem in err


def test_a_base_path_does_not_apply_to_a_gateway(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, given in (("placed:gateway", "/api"), ("placed:based", "/v1")):
        assert main(["dev", target, "--base-path", given, "--no-reload", "--port", "0"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert f"{target!r} is a gateway" in err
        assert f"unigate.wrap(..., base_path={given!r})" in err


def test_a_place_is_refused_if_the_platform_reports_none(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIGATE_PLATFORM", "fly")
    options = ["--geo", "Ghent,BE", "--port", "0", "--no-reload"]
    assert main(["dev", "placed:app", *options]) == 2
    assert "--geo: the trusted platform does not send such a location." in capsys.readouterr().err
    assert os.environ["UNIGATE_PLATFORM"] == "fly"
    monkeypatch.delenv("UNIGATE_PLATFORM")
    assert main(["dev", "placed:fly", "--stream", *options]) == 2
    assert "--geo: the trusted platform does not send such a location." in capsys.readouterr().err
