"""`unigate build --target vercel`: entry point, settings, split functions, static files."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import FLASK, GATEWAY, project, tree, write
from unigate.cli.build.route_functions import functions_of
from unigate.cli.main import main
from unigate.cli.project.routes import Route
from unigate.cli.vercel.entrypoint import find_entrypoint

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """
[project]
name = "x"
version = "1"
dependencies = ["flask"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


def build(target: str, *args: str) -> int:
    return main(["build", target, "--target", "vercel", *args])


def vercel_json(folder: Path) -> Any:
    return json.loads((folder / "vercel.json").read_text())


def answer(folder: Path, file: str, path: str) -> str:
    """Return the response of a generated file's `app`, from a separate process."""
    program = f"""
import runpy
from unigate.testing import Client
print(Client(runpy.run_path({file!r})["app"]).get({path!r}).text)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# One function


def test_the_files_for_one_function(folder: Path) -> None:
    assert build("main:app") == 0
    assert set(tree(folder)) == {
        ".python-version", ".unigate-build.json", ".vercelignore", "api/index.py", "main.py",
        "public/.gitkeep", "requirements.txt", "vercel.json",
    }  # fmt: skip
    assert vercel_json(folder) == {
        "$schema": "https://openapi.vercel.sh/vercel.json",
        "framework": None,
        "rewrites": [{"source": "/(.*)", "destination": "/api/index"}],
    }


def test_a_second_build_changes_nothing(folder: Path) -> None:
    assert build("main:app", "--split") == 0
    before = tree(folder)
    assert build("main:app", "--split") == 0
    assert tree(folder) == before


@pytest.mark.parametrize("target", ["main:app", "main:site", "main:box.app", "main:box.site"])
@pytest.mark.parametrize("name", ["application", "app", "other"])
def test_vercel_finds_the_gateway(folder: Path, target: str, name: str) -> None:
    target = re.sub(r"\bapp\b", name, target)
    code = re.sub(r"\bapp\b", name, GATEWAY)
    write(folder, {"main.py": f"{code}\nclass box:\n    site = site\n    {name} = {name}\n"})
    assert build(target) == 0
    text = (folder / "api/index.py").read_text()
    found = find_entrypoint(text)
    assert found is not None
    assert found[0] == "app"
    assert answer(folder, "api/index.py", "/users/ada") == "user ada"


def test_the_target_may_be_the_entry_point_itself(folder: Path) -> None:
    write(folder, {"api/index.py": GATEWAY})
    assert build("api.index:app") == 0
    assert (folder / "api/index.py").read_text() == GATEWAY


@pytest.mark.parametrize(
    ("code", "target", "error"),
    [
        ("from main import app as application\napp = application\n", "api.index:app",
         "Vercel deploys 'application' of line 1 in api/index.py, expected the gateway 'app'."),
        ("if True:\n    from main import app\n", "api.index:app",
         "Vercel finds no app in api/index.py, expected 'app': bind it at the top level."),
        ("from main import site as app\n", "api.index:app", "Vercel deploys 'app' of line 1"),
    ],
)  # fmt: skip
def test_an_entry_point_that_vercel_would_not_deploy_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, target: str, error: str
) -> None:
    write(folder, {"api/index.py": code})
    assert build(target) == 2
    assert capsys.readouterr().err.startswith(f"unigate: {error}")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, f"3.{max(12, sys.version_info.minor)}"),
        ({"pyproject.toml": f'{PROJECT}[tool.unigate]\npython = "3.13"\n'}, "3.13"),
        ({"pyproject.toml": f'{PROJECT}requires-python = ">=3.12"\n'}, None),
    ],
)
def test_a_python_version_is_written_unless_the_project_declares_one(
    folder: Path, files: dict[str, str], version: str | None
) -> None:
    write(folder, files)
    for _ in range(2):
        assert build("main:app") == 0
        content = tree(folder).get(".python-version")
        assert content == (f"{version}\n".encode() if version else None)


def test_the_projects_python_version_file_is_kept(folder: Path) -> None:
    write(folder, {".python-version": "3.14\n"})
    assert build("main:app") == 0
    assert (folder / ".python-version").read_text() == "3.14\n"
    assert build("main:app", "--output", "out") == 0
    assert (folder / "out/.python-version").read_text() == "3.14\n"


def test_a_python_that_vercel_does_not_support_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"pyproject.toml": f'{PROJECT}[tool.unigate]\npython = "3.11"\n'})
    assert build("main:app") == 2
    message = "Vercel supports Python 3.12, 3.13, 3.14, got 3.11 from tool.unigate.python."
    assert message in capsys.readouterr().err
    write(folder, {"pyproject.toml": "", ".python-version": "3.11\n"})
    assert build("main:app", "--output", "out") == 2
    assert "got 3.11 from .python-version." in capsys.readouterr().err


def test_the_projects_folder_public_is_used(folder: Path) -> None:
    write(folder, {"public/robots.txt": ""})
    assert build("main:app") == 0
    assert "public/.gitkeep" not in tree(folder)


def test_limits_come_from_the_settings(folder: Path) -> None:
    settings = '[tool.unigate]\nmemory = 1024\ntimeout = 60\nexclude = ["docs/**", "data/**"]\n'
    write(folder, {"pyproject.toml": PROJECT + settings})
    assert build("main:app") == 0
    assert vercel_json(folder)["functions"] == {
        "api/index.py": {"memory": 1024, "maxDuration": 60, "excludeFiles": "{docs/**,data/**}"}
    }


def test_a_pyproject_without_dependencies_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"pyproject.toml": "[tool.unigate]\ntimeout = 3\n"})
    assert build("main:app") == 2
    assert "no project.dependencies" in capsys.readouterr().err
    write(folder, {"pyproject.toml": "[project]\ndependencies = []\n"})
    assert build("main:app") == 0


# A framework's preset


PRESET = f'{PROJECT}[tool.unigate]\ntimeout = 9\n[tool.unigate.vercel]\nframework = "flask"\n'


def test_a_preset_has_no_rewrite_and_an_entry_point_in_pyproject(folder: Path) -> None:
    write(folder, {"pyproject.toml": PRESET})
    assert build("main:app", "--output", "out") == 0
    assert vercel_json(folder / "out") == {
        "$schema": "https://openapi.vercel.sh/vercel.json",
        "framework": "flask",
        "functions": {"api/index.py": {"maxDuration": 9}},
    }
    table = tomllib.loads((folder / "out/pyproject.toml").read_text())
    assert table["tool"]["vercel"] == {"entrypoint": "api.index:app"}
    assert table["tool"]["unigate"]["timeout"] == 9
    assert "public/.gitkeep" not in tree(folder / "out")


def test_the_projects_pyproject_is_not_rewritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"pyproject.toml": PRESET})
    assert build("main:app", "--force") == 2
    line = 'pyproject.toml: add entrypoint = "api.index:app" to [tool.vercel].'
    assert line in capsys.readouterr().err
    mine = PRESET + '[tool.vercel]\nentrypoint = "api.index:app"\n'
    write(folder, {"pyproject.toml": mine})
    assert build("main:app") == 0
    assert (folder / "pyproject.toml").read_text() == mine
    write(folder, {"pyproject.toml": PRESET + '[tool.vercel]\nentrypoint = "main:app"\n'})
    assert build("main:app", "--output", "out") == 2


def test_a_preset_cannot_be_split(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"pyproject.toml": PRESET})
    assert build("main:app", "--split") == 2
    assert "--split" in capsys.readouterr().err


def test_the_preset_for_django_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"pyproject.toml": PRESET.replace("flask", "django")})
    assert build("main:app", "--output", "out") == 0
    write(folder, {"manage.py": ""})
    assert build("main:app", "--output", "out") == 2
    assert "always deploys ASGI_APPLICATION of the settings" in capsys.readouterr().err


# A function for each route


def split(*paths: str) -> list[tuple[str, list[str]]]:
    routes = [Route(("GET",), path, "", "", "") for path in paths]
    return [(function.file, list(function.sources)) for function in functions_of(routes)]


def test_files_are_named_after_routes() -> None:
    assert split("/", "/users", "/users/{user_id}", "/users/create", "/files/{name:path}") == [
        ("api/files/[...name].py", ["/files/(.*)"]),
        ("api/users.py", ["/users"]),
        ("api/users/create.py", ["/users/create"]),
        ("api/users/[user_id].py", ["/users/([^/]+)"]),
    ]


def test_more_specific_paths_come_first() -> None:
    paths = ["/{a}/{b}", "/{a:path}", "/y/{b:path}", "/x/{b}", "/x/y", "/{a}/y", "/x/y/{c}"]
    sources = [sources for _, sources in split(*paths)]
    assert sources == [
        ["/x/y"],
        ["/x/y/([^/]+)"],
        ["/x/([^/]+)"],
        ["/y/(.*)"],
        ["/([^/]+)/y"],
        ["/([^/]+)/([^/]+)"],
    ]


def test_routes_that_vercel_cannot_tell_apart_share_a_function() -> None:
    assert split("/users/{id:int}", "/users/{name}", "/users/{other}/") == [
        ("api/users/[id].py", ["/users/([^/]+)", "/users/([^/]+)/"])
    ]


def test_a_parameter_has_one_name_at_one_place() -> None:
    files = [file for file, _ in split("/a/{x}", "/a/{y}/b", "/a/{z}/{y}", "/{x}/{x_}")]
    assert sorted(files) == [
        "api/[x]/[x_].py", "api/a/[x].py", "api/a/[x]/[y].py", "api/a/[x]/b.py",
    ]  # fmt: skip
    assert split("/{a}/c", "/{b}/d/{a}")[1][0] == "api/[a]/d/[a_].py"


def test_the_fallback_keeps_a_rest_beside_a_parameter() -> None:
    # "[...rest].py" beside "[id]/": `vercel build` 64 refuses it (conflicting_file_path).
    assert split("/users/{rest:path}", "/users/{id}/password") == [
        ("api/users/[id]/password.py", ["/users/([^/]+)/password"])
    ]


@pytest.mark.parametrize(
    "path", ["/", "/index", "/{rest:path}", "/{name}.txt", "/{a:path}/b", "/_hidden", "/a b", "/.x"]
)
def test_the_fallback_keeps_paths_that_no_file_can_be_named_after(path: str) -> None:
    assert split(path) == []


def test_a_websocket_route_has_no_function() -> None:
    assert functions_of([Route(("WEBSOCKET",), "/ws", "", "", "")]) == []


def test_special_characters_of_a_pattern_are_escaped() -> None:
    assert split("/openapi.json") == [("api/openapi.json.py", ["/openapi\\.json"])]


def test_every_function_answers_its_route(folder: Path) -> None:
    assert build("main:app", "--split") == 0
    config = vercel_json(folder)
    assert [rewrite["source"] for rewrite in config["rewrites"]] == [
        "/users/create", "/users/([^/]+)", "/(.*)",
    ]  # fmt: skip
    assert answer(folder, "api/users/[name].py", "/users/ada") == "user ada"
    assert answer(folder, "api/users/create.py", "/users/create") == "create"
    assert answer(folder, "api/index.py", "/") == "home"
    for rewrite in config["rewrites"]:
        assert (folder / f"{rewrite['destination'][1:]}.py").is_file()
        assert (
            find_entrypoint((folder / f"{rewrite['destination'][1:]}.py").read_text()) is not None
        )


def test_each_function_has_its_own_limits(folder: Path) -> None:
    settings = """
[tool.unigate]
memory = 512
[tool.unigate.functions."/users/{name}"]
timeout = 300
[tool.unigate.functions."/users/create"]
memory = 2048
"""
    write(folder, {"pyproject.toml": PROJECT + settings})
    assert build("main:app", "--split") == 0
    assert vercel_json(folder)["functions"] == {
        "api/index.py": {"memory": 512},
        "api/users/create.py": {"memory": 2048},
        "api/users/[name].py": {"memory": 512, "maxDuration": 300},
    }


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/user/create", "no route has this path: did you mean '/users/create'?"),
        ("/users/<name>", "no route has this path: did you mean '/users/{name}'?"),
        ("/users/{other}/", "the function of '/users/{name}' answers this path: write that one."),
        ("/", "api/index.py answers this path, with the limits of [tool.unigate]: remove it."),
    ],
)
def test_limits_of_a_path_without_a_function_are_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], path: str, problem: str
) -> None:
    more = "site.get('/users/<other>/', endpoint='other')(user)\n"
    settings = f'{PROJECT}[tool.unigate.functions."{path}"]\ntimeout = 3\n'
    write(folder, {"pyproject.toml": settings, "main.py": f"{GATEWAY}\n{more}"})
    assert build("main:app", "--split") == 2
    assert capsys.readouterr().err == f"unigate: tool.unigate.functions.{path!r}: {problem}\n"


def test_settings_of_functions_are_noted_without_split(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = f'{PROJECT}[tool.unigate.functions."/unknown"]\ntimeout = 3\n'
    write(folder, {"pyproject.toml": settings})
    assert build("main:app") == 0
    note = "Not used for vercel without --split: tool.unigate.functions."
    assert note in capsys.readouterr().out.splitlines()
    assert "functions" not in vercel_json(folder)


def test_a_build_without_split_removes_the_functions(folder: Path) -> None:
    assert build("main:app", "--split") == 0
    assert build("main:app") == 0
    assert [path for path in tree(folder) if path.startswith("api/")] == ["api/index.py"]


def test_too_many_functions_are_noted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = "".join(f"site.get('/{n}', endpoint='e{n}')(home)\n" for n in range(10))
    write(folder, {"main.py": f"{FLASK}\n{more}"})
    assert build("main:site", "--split") == 0
    assert "13 functions: Vercel's Hobby plan allows 12." in capsys.readouterr().out


# Django


def test_djangos_static_files_are_served_without_a_function(tmp_path: Path) -> None:
    """Run in a separate process, because Django can be set up only once in each."""
    done = subprocess.run(
        [sys.executable, "-m", "unigate", "build", "api.index:app", "--target", "vercel",
         "--output", str(tmp_path / "out"), "--force"],
        cwd=ROOT / "example_django", capture_output=True, text=True,
        env={
            **os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contrib'}",
            "PYTHONDONTWRITEBYTECODE": "1", "DJANGO_SETTINGS_MODULE": "guestbook.settings",
        }, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    static = tmp_path / "out/public/static"
    style = ROOT / "example_django/guestbook/static/guestbook/style.css"
    assert (static / "guestbook/style.css").read_bytes() == style.read_bytes()
    assert (static / "admin/css/base.css").is_file()
    assert not (tmp_path / "out/public/.gitkeep").exists()


ODD_PATHS = [
    '/a"""b', "/a'b", "/a\nb", "/a\\b", "/{{ x }}", "/{% x %}", "/${x}", "/$(id)", "/a b", "/%41",
    "/..", "/../x", "/a/../b", "/./a", "/.hidden", "/_hidden", "//a", "/a//b", "/a#b", "/a?b",
    "/\u00e9", "/e\u0301", "/\u65e5\u672c/x.y", "/\U0001f600", "/a\u2028b", "/index", "/users.py",
    "/x/index", "/[a]", "/a\x00b", "/" + "a" * 100, "/api", "/api/index", "/\u0661",
]  # fmt: skip


def test_files_of_odd_routes_are_valid_and_below_api(folder: Path) -> None:
    lines = [f"site.add_url_rule({path!a}, {path!a}, home)" for path in ODD_PATHS]
    lines += [
        f"site.add_url_rule({path!a} + '/<name>', {path!a} + 'n', user)" for path in ODD_PATHS
    ]
    rules = "\n".join(["site.url_map.merge_slashes = False", *lines])
    write(folder, {"main.py": f"{FLASK}\n{rules}\n"})
    assert build("main:site", "--split", "--output", "out") == 0
    files = [path for path in tree(folder / "out") if path.endswith(".py") and path != "main.py"]
    assert len(files) > 10
    for path in files:
        assert path.startswith("api/")
        ast.parse((folder / "out" / path).read_bytes())
    for rewrite in vercel_json(folder / "out")["rewrites"]:
        assert f"{rewrite['destination']}.py".removeprefix("/") in files
