"""`unigate check`: Vercel's entry points, vercel.json, and the effect of rewrites on requests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

import unigate
from tests.cli.function_patterns import FILES, PATTERNS, REWRITES, RUNTIMES
from tests.cli.projects import project, write
from unigate.cli.check.entrypoints import check_entrypoints
from unigate.cli.check.findings import Finding
from unigate.cli.check.rewrites import check_rewrites
from unigate.cli.check.vercel_json import check_vercel_json
from unigate.cli.vercel.project import VercelProject

from .checking import GOOD, PYPROJECT, check

CATCH_ALL = {"source": "/(.*)", "destination": "/api/index"}
ENTRY = {"src": "api/index.py", "use": "@vercel/python@25.0.0"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        sys.path.insert(0, str(made))
        yield made


@pytest.fixture
def gateway() -> unigate.Gateway:
    site = flask.Flask("site")
    for path in ("/", "/users/<name>", "/new/", "/files/<path:name>"):
        site.add_url_rule(path, path, str)
    return unigate.wrap(site)


def configured(folder: Path, **configuration: Any) -> VercelProject:
    write(folder, {"vercel.json": json.dumps(configuration)})
    return VercelProject(folder, configuration, {})


def messages(found: Iterator[Finding], kind: str) -> list[str]:
    listed = list(found)
    assert {finding.kind for finding in listed} <= {kind}
    return [finding.message for finding in listed]


# Entry points


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("from main import site as application\nfrom main import app\n", "api/index.py:1"),
        ("if True:\n    from main import app\n", "vercel.json"),
        ("import main\n\nhandler = main.app\n", "vercel.json"),
        ("class handler:\n    pass\n", "api/index.py:1"),
    ],
)
def test_an_entry_point_that_is_not_the_gateway(
    capsys: pytest.CaptureFixture[str], entry: str, place: str
) -> None:
    found = check(capsys, files={"api/index.py": entry})
    assert found[0] == ("entrypoint", place)


def test_the_last_binding_of_a_name_counts(capsys: pytest.CaptureFixture[str]) -> None:
    entry = "import unigate\nfrom main import site as app\n\napp = unigate.wrap(app)\n"
    assert check(capsys, files={"api/index.py": entry}) == []


def test_an_imported_file_is_not_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = "import main\n\nassert not hasattr(main, 'seen')\nmain.seen = 1\napp = main.app\n"
    assert check(capsys, "api.index:app", files={"api/index.py": entry}) == []


def test_every_function_with_a_rewrite_is_checked(folder: Path) -> None:
    wrong = "from main import site as app\n"
    write(folder, {f"api/{name}.py": wrong for name in ("[id]", "other", "unused", "_hidden")})
    rewrites = [
        {"source": "/users/(.*)", "destination": "/api/[id]"},
        {"source": "/other", "destination": "/api/other.py"},
        CATCH_ALL,
    ]
    found = check_entrypoints(configured(folder, framework=None, rewrites=rewrites))
    assert [finding.place for finding in found] == ["api/[id].py:1", "api/other.py:1"]


def test_functions_without_a_rewrite_are_not_checked(folder: Path) -> None:
    (folder / "api/index.py").rename(folder / "api/other.py")
    write(folder, {"api/other.py": "from main import site as app\n"})
    assert list(check_entrypoints(configured(folder, framework=None))) == []


def test_a_function_of_builds(folder: Path) -> None:
    write(folder, {"server.py": "from main import site as app\n"})
    builds = [ENTRY, {"src": "/server.py", "use": "@vercel/python"}]
    found = check_entrypoints(configured(folder, builds=builds))
    assert [finding.place for finding in found] == ["server.py:1"]


def test_an_entry_point_of_pyproject(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    files = {
        "pyproject.toml": PYPROJECT + '[tool.vercel]\nentrypoint = "other:gateway"\n',
        "other.py": "from main import app\nfrom main import site as gateway\n",
        "vercel.json": '{"framework": "flask"}',
    }
    assert check(capsys, files=files) == [("entrypoint", "other.py")]
    assert check(capsys, files={"other.py": "from main import app as gateway\n"}) == []


def test_an_entry_point_of_a_preset(folder: Path) -> None:
    write(folder, {"index.py": "from main import site as app\n"})
    found = check_entrypoints(configured(folder, framework="flask"))
    assert [finding.place for finding in found] == ["index.py:1"]
    (folder / "index.py").unlink()
    assert list(check_entrypoints(configured(folder, framework="flask"))) == []
    (folder / "main.py").unlink()
    (folder / "api/index.py").unlink()
    found = check_entrypoints(configured(folder, framework="flask"))
    assert [finding.place for finding in found] == ["vercel.json"]


# vercel.json


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_malformed_vercel_json(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert check(capsys, files={"vercel.json": text}) == [("vercel", "vercel.json")]


def test_limits_of_a_file_without_a_function(folder: Path) -> None:
    limits: dict[str, object] = {"api/*.py": {}, "api/[id].py": {}, "api/{index,other}.py": {}}
    write(folder, {"api/[id].py": "from main import app\n", "api/helper.py": "x = 1\n"})
    assert list(check_vercel_json(configured(folder, framework=None, functions=limits))) == []
    limits = {"api/helper.py": {}, "main.py": {}}
    found = check_vercel_json(configured(folder, framework=None, functions=limits))
    assert [message.split()[2] for message in messages(found, "vercel")] == [
        "'api/helper.py'",
        "'main.py'",
    ]
    assert list(check_vercel_json(configured(folder, framework="flask", functions=limits))) == []


def test_builds_beside_functions_and_public(folder: Path) -> None:
    vercel = configured(folder, builds=[ENTRY], functions={"api/index.py": {}})
    refused, unserved = messages(check_vercel_json(vercel), "vercel")
    assert 'refuses "functions" beside "builds"' in refused
    assert "no file of public/" in unserved
    others = [ENTRY, {"src": "public/**", "use": "@vercel/static"}]
    assert list(check_vercel_json(configured(folder, builds=others))) == []


def test_patterns_of_functions_match_as_those_of_vercel(folder: Path) -> None:
    write(folder, {**dict.fromkeys(FILES, "from main import app\n"), "public/.gitkeep": ""})
    for pattern, matches in PATTERNS.items():
        found = check_vercel_json(configured(folder, framework=None, functions={pattern: {}}))
        refused = [f'Vercel refuses {pattern!r} in "functions": it matches no function in api/.']
        assert messages(found, "vercel") == ([] if matches else refused)


def test_patterns_that_only_javascript_has_are_not_judged(folder: Path) -> None:
    write(folder, {"public/.gitkeep": ""})
    for pattern in ("api/{index,a}.py", "api/+(index).py", "!api/index.py", "api/[^a]*.py"):
        found = check_vercel_json(configured(folder, framework=None, functions={pattern: {}}))
        assert list(found) == []


def test_a_runtime_needs_a_version(folder: Path) -> None:
    write(folder, {"public/.gitkeep": ""})
    for runtime, valid in RUNTIMES.items():
        functions = {"api/index.py": {"runtime": runtime}}
        found = messages(
            check_vercel_json(configured(folder, framework=None, functions=functions)), "vercel"
        )
        assert len(found) == (not valid)
        assert all(
            f"Vercel refuses the runtime {runtime!r} of 'api/index.py'" in one for one in found
        )


def test_rewrites_that_vercel_refuses(folder: Path) -> None:
    write(folder, {"public/.gitkeep": ""})
    for (source, destination), problem in REWRITES.items():
        rule = {"source": source, "destination": destination}
        found = messages(
            check_vercel_json(configured(folder, framework=None, rewrites=[rule])), "vercel"
        )
        assert len(found) == bool(problem), (rule, found)
        assert all(f"Vercel refuses the rewrite of {source!r}: {problem}" in one for one in found)


@pytest.mark.parametrize(
    ("rewrites", "message"),
    [
        ({}, 'Vercel refuses "rewrites": it must be a list, got {}.'),
        (["/a"], "Vercel refuses the rewrite '/a': it must be an object with the texts"),
        ([{"src": "/a", "dest": "/b"}], "it must be an object with the texts"),
        ([{"source": "/a"}], "it must be an object with the texts"),
    ],
)
def test_rewrites_of_another_shape(folder: Path, rewrites: object, message: str) -> None:
    write(folder, {"public/.gitkeep": ""})
    found = check_vercel_json(configured(folder, framework=None, rewrites=rewrites))
    [found_message] = messages(found, "vercel")
    assert message in found_message


def test_names_in_conditions_may_be_in_a_destination(folder: Path) -> None:
    write(folder, {"public/.gitkeep": ""})
    has = [{"type": "host", "value": "(?<tenant>.*)\\.example\\.com"}]
    rule = {"source": "/a", "destination": "/:tenant", "has": has}
    assert list(check_vercel_json(configured(folder, framework=None, rewrites=[rule]))) == []


def test_sources_that_vercel_serves_publicly(folder: Path) -> None:
    assert list(check_vercel_json(configured(folder, framework=None))) == []
    (folder / "public/robots.txt").unlink()
    (folder / "public").rmdir()
    assert len(messages(check_vercel_json(configured(folder, framework=None)), "sources")) == 1
    assert len(messages(check_vercel_json(configured(folder)), "sources")) == 1
    site = {"framework": None, "outputDirectory": "site"}
    for configuration in (site, {"framework": "flask"}, {"builds": [ENTRY]}):
        assert list(check_vercel_json(configured(folder, **configuration))) == []


# Rewrites before a preset: the application gets the destination as its path


@pytest.mark.parametrize(
    ("source", "destination", "problem"),
    [
        ("/(.*)", "/api/index", "needs no rewrite"),
        ("/:path*", "/api", "needs no rewrite"),
        ("/:path(.*)", "/api/index.py", "needs no rewrite"),
        ("(.*)", "/main", "needs no rewrite"),
        ("/api/(.*)", "/api/index", "needs no rewrite"),
        ("/api/(.*)", "/", "the path of every request there"),
        ("/api/:path*", "/new/", "the path of every request there"),
        ("/old", "/gone", "has no route"),
        ("/old", "/new", ""),
        ("/me", "/users/me", ""),
        ("/me", "/users/me/more", "has no route"),
        ("/me", "/files/a/b", ""),
        ("/api/(.*)", "/$1", ""),
        ("/api/:path*", "/:path*", ""),
        ("/users/:name", "/users/:name", ""),
        ("/(.*)", "/robots.txt", "no request reaches the application"),
        ("/robots", "/robots.txt", ""),
        ("/(.*)", "https://example.org/$1", ""),
    ],
)
def test_a_rewrite_before_a_preset(
    folder: Path, gateway: unigate.Gateway, source: str, destination: str, problem: str
) -> None:
    rewrite = {"source": source, "destination": destination}
    vercel = configured(folder, framework="flask", rewrites=[rewrite])
    found = messages(check_rewrites(vercel, gateway), "rewrite")
    assert len(found) == (1 if problem else 0)
    assert all(problem in message and repr(source) in message for message in found)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("destination", "reached"),
    [
        ("/1-2-3.json", True),
        ("/1-2.json", False),
        ("/--1-2-3.json/", True),
        ("/" + "-" * 200, False),
    ],
)
def test_a_destination_is_compared_with_a_route_of_many_parameters(
    folder: Path, destination: str, reached: bool
) -> None:
    site = flask.Flask("site")
    site.add_url_rule("/<a>-<b>-<c>.json", "three", str)
    site.add_url_rule("/<a>-<b>-<c>-<d>-<e>-<f>-<g>.json/more", "seven", str)
    rewrite = {"source": "/me", "destination": destination}
    vercel = configured(folder, framework="flask", rewrites=[rewrite])
    found = messages(check_rewrites(vercel, unigate.wrap(site)), "rewrite")
    assert found == [] if reached else "has no route" in found[0]


def test_a_route_before_a_preset_is_a_rewrite(folder: Path, gateway: unigate.Gateway) -> None:
    routes = [{"handle": "filesystem"}, {"src": "^/(.*)$", "dest": "api/index.py"}]
    found = messages(
        check_rewrites(configured(folder, framework="flask", routes=routes), gateway), "rewrite"
    )
    assert ["leads to '/api/index.py', and" in message for message in found] == [True]


@pytest.mark.parametrize("destination", ["/api/index", "/api/index.py"])
def test_a_rewrite_to_a_preset_is_found_without_public(
    folder: Path, gateway: unigate.Gateway, destination: str
) -> None:
    (folder / "public/robots.txt").unlink()
    (folder / "public").rmdir()
    rewrite = {"source": "/(.*)", "destination": destination}
    vercel = configured(folder, framework="flask", rewrites=[rewrite])
    [found] = messages(check_rewrites(vercel, gateway), "rewrite")
    assert "the application gets that as the path" in found


# Rewrites to functions, which get the path of the request


@pytest.mark.parametrize("destination", ["/api", "/api/index", "/api/index.py"])
@pytest.mark.parametrize("configuration", [{"framework": None}, {}])
def test_a_rewrite_to_the_function_in_api_is_right(
    folder: Path, gateway: unigate.Gateway, configuration: dict[str, None], destination: str
) -> None:
    # Without "framework", `vercel build` makes functions of api/.
    rewrite = {"source": "/(.*)", "destination": destination}
    vercel = configured(folder, **configuration, rewrites=[rewrite])
    assert list(check_rewrites(vercel, gateway)) == []
    assert list(check_vercel_json(vercel)) == []


def test_django_is_detected_beside_functions(folder: Path) -> None:
    write(folder, {"manage.py": ""})
    assert configured(folder).preset


@pytest.mark.parametrize(
    ("source", "destination", "problem"),
    [
        ("/(.*)", "/api/index", ""),
        ("/(.*)", "/api/index.py", ""),
        ("/(.*)", "/api/index/", ""),
        ("/(.*)", "/api", ""),
        ("/(.*)", "/api/index?x=1", ""),
        ("/(.*)", "/api/[name]", ""),
        ("/x/(.*)", "/api/some", ""),  # by [name].py
        ("/(.*)", "/api/$1", ""),
        ("/(.*)", "/api/$1.py", ""),
        ("/(.*)", "/$1", ""),
        ("/(.*)", "/index", "a 404"),
        ("/(.*)", "/main.py", "a 404"),
        ("/(.*)", "/api/some/more", "a 404"),
        ("/(.*)", "/api/index/$1", "a 404"),
        ("/:path*", "/api/index/:path*", "a 404"),
        ("/:path*", "/api/index", "adds path=... to the query string"),
        ("/x/:rest(.*)", "/api/index", "write '/x/(.*)'"),
        ("/:path+", "/api/index?path=:path", ""),  # as written
        ("/users/:id", "/api/index", ""),  # what functions of one route are for
        ("/robots", "/robots.txt", ""),
        ("/(.*)", "https://example.org/$1", ""),
    ],
)
def test_a_rewrite_to_a_function(
    folder: Path, gateway: unigate.Gateway, source: str, destination: str, problem: str
) -> None:
    write(folder, {"api/[name].py": "from main import app\n"})
    rewrites = [{"source": source, "destination": destination}, CATCH_ALL]
    vercel = configured(folder, framework=None, rewrites=rewrites)
    found = messages(check_rewrites(vercel, gateway), "rewrite")
    assert len(found) == (1 if problem else 0)
    assert all(problem in message and repr(source) in message for message in found)


def test_builds_have_functions_at_the_names_of_their_files(
    folder: Path, gateway: unigate.Gateway
) -> None:
    for destination, wrong in (("/api/index", 1), ("/api/index.py", 0)):
        rewrite = {"source": "/(.*)", "destination": destination}
        vercel = configured(folder, builds=[ENTRY], rewrites=[rewrite])
        assert len(messages(check_rewrites(vercel, gateway), "rewrite")) == wrong
    route = {"src": "/(.*)", "dest": "api/index.py?path=$1"}
    vercel = configured(folder, builds=[ENTRY], routes=[route])
    (folder / "public/robots.txt").unlink()
    assert messages(check_rewrites(vercel, gateway), "rewrite") == []


def test_a_route_that_hides_files(folder: Path, gateway: unigate.Gateway) -> None:
    route = {"src": "/(.*)", "dest": "/api/index.py"}
    found = messages(
        check_rewrites(configured(folder, framework=None, routes=[route]), gateway), "rewrite"
    )
    assert ["goes before the files of public/" in message for message in found] == [True]
    outside = {"src": "/docs", "dest": "https://example.org/docs"}
    routes = [outside, {"handle": "filesystem"}, route]
    vercel = configured(folder, framework=None, routes=routes)
    assert messages(check_rewrites(vercel, gateway), "rewrite") == []


@pytest.mark.parametrize(
    ("rewrites", "problem"),
    [
        ([], "no rewrite leads there"),
        ([{"source": "/api/(.*)", "destination": "/api/index"}], "take '/api/(.*)'"),
        ([{"source": "/users/(.*)", "destination": "/api/index"}], ""),  # one is reached
        ([{"source": "/(.*)", "destination": "/api/$1.py"}], ""),
        ([{"source": "/users/:n", "destination": "/api/index", "has": [{"type": "host"}]}], ""),
    ],
)
def test_no_route_is_reached(
    folder: Path, gateway: unigate.Gateway, rewrites: list[dict[str, str]], problem: str
) -> None:
    vercel = configured(folder, framework=None, rewrites=rewrites)
    found = messages(check_rewrites(vercel, gateway), "rewrite")
    assert [problem in message for message in found] == ([True] if problem else [])


def test_routes_below_a_prefix_are_reached_there(folder: Path) -> None:
    site = flask.Flask("site", static_folder=None)
    site.add_url_rule("/users/<name>", "user", str)
    rewrite = {"source": "/api/(.*)", "destination": "/api/index"}
    vercel = configured(folder, framework=None, rewrites=[rewrite])
    assert len(list(check_rewrites(vercel, unigate.wrap(site)))) == 1
    assert list(check_rewrites(vercel, unigate.wrap(site, base_path="/api"))) == []
    assert list(check_rewrites(vercel, unigate.wrap(mounts={"/api": site}))) == []


def test_an_application_without_a_route_table(folder: Path) -> None:
    def plain(environ: Any, start_response: Any) -> list[bytes]:
        return []

    rewrite = {"source": "/api/(.*)", "destination": "/api/index"}
    vercel = configured(folder, framework=None, rewrites=[rewrite])
    assert list(check_rewrites(vercel, unigate.wrap(plain))) == []
    assert len(list(check_rewrites(configured(folder, framework=None), unigate.wrap(plain)))) == 1
