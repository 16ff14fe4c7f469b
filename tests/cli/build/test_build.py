"""`unigate build`: its settings and options, the project's files, and links among them."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from tests.cli.projects import FLASK, project, tree, write
from unigate.cli.main import main
from unigate.cli.project.settings import nearest_or_all, read_settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


def build(*args: str) -> int:
    return main(["build", *args])


# Settings


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"memry": 1}, "[tool.unigate] has no key 'memry': did you mean 'memory'?"),
        (
            {"aws": {"triger": "alb"}},
            "[tool.unigate.aws] has no key 'triger': did you mean 'trigger'?",
        ),
        ({"aws": {"qqqq": 1}}, "known: architecture, capacity_provider, events, format, "),
        (
            {"functions": {"/report": {"timout": 3}}},
            "[tool.unigate.functions./report] has no key 'timout': did you mean 'timeout'?",
        ),
        ({"aws": {"trigger": "lattice"}}, "tool.unigate.aws.trigger must be one of 'http_api', "),
        (
            {"aws": {"trigger": ["alb", "x"]}},
            "aws.trigger[1] must be one of 'http_api', 'rest_api'",
        ),
        ({"aws": {"trigger": 1}}, "aws.trigger must be one of 'http_api', 'rest_api', "),
        ({"aws": {"snap_start": 1}}, "aws.snap_start must be true or false, got 1."),
        (
            {"aws": {"policies": [1]}},
            "policies[0] must be the name or ARN of a managed policy, a statement",
        ),
        (
            {"aws": {"events": {"sqs": {"orders": {"batch": 1}}}}},
            "[tool.unigate.aws.events.sqs.orders] has no key 'batch': did you mean 'batch_size'?",
        ),
        ({"aws": {"events": {"sqs": {"orders": 1}}}}, "must be true, false or a table, got 1."),
        ({"aws": {"trigger": "http-api"}}, "got 'http-api'. Did you mean 'http_api'?"),
        ({"trigger": "alb"}, "has no key 'trigger': write it in [tool.unigate.aws]."),
        ({"aws": {"memory": 1}}, "has no key 'memory': write it in [tool.unigate]."),
        (
            {"memory": "1024"},
            "tool.unigate.memory must be a positive integer, got '1024'. Write 1024.",
        ),
        ({"python": 3.12}, 'tool.unigate.python must be a string, got 3.12. Write "3.12".'),
        ({"exclude": "docs"}, "must be a list of strings, got 'docs'. Write [\"docs\"]."),
        ({"memory": True}, "tool.unigate.memory must be a positive integer, got True."),
        ({"timeout": 0}, "tool.unigate.timeout must be a positive integer"),
        ({"exclude": "docs"}, "tool.unigate.exclude must be a list of strings"),
        ({"exclude": [1]}, "tool.unigate.exclude must be a list of strings"),
        ({"environment": {"A": 1}}, "tool.unigate.environment.A must be a string"),
        ({"environment": {"A": "a\0"}}, "environment.A must be text without the null character"),
        *(
            ({"environment": {name: "x"}}, f"not begin with a digit, got {name!r}.")
            for name in [
                *[
                    "",
                    " ",
                    "A-B",
                    "A.B",
                    "1A",
                    "A B",
                    "A\n",
                    "\nA",
                    "A: b",
                    "A=b",
                    "\u00c4",
                    "A\u0301",
                ],
                *[
                    "$A",
                    "${A}",
                    "!Ref",
                    "Fn::Sub",
                    "\U0001f600",
                    "\u0661",
                    "A\u2028",
                    "\uff21",
                    "A\0",
                ],
            ]
        ),
        ({"functions": 1}, "tool.unigate.functions must be a table"),
        ({"app": ["main:app"]}, "tool.unigate.app must be a string"),
    ],
)
def test_an_invalid_setting_is_an_error(table: object, error: str) -> None:
    with pytest.raises(click.ClickException) as raised:
        read_settings({"tool": {"unigate": table}})
    assert error in raised.value.message


def test_valid_settings_are_returned() -> None:
    table = {
        "app": "main:app", "python": "3.12", "memory": 1024, "timeout": 60, "exclude": ["docs/*"],
        "requirements": "all.txt", "environment": {"A": "b"}, "functions": {"/a": {"memory": 1}},
        "aws": {"trigger": "alb", "architecture": "arm64", "runtime": "aws"},
        "vercel": {"framework": "flask"},
    }  # fmt: skip
    assert read_settings({"tool": {"unigate": table}}) == table
    assert read_settings({}) == {}


def test_an_unknown_name_gets_a_suggestion_or_the_list() -> None:
    assert nearest_or_all("/raport", ["/report", "/users"]) == "did you mean '/report'?"
    assert nearest_or_all("zzz", ["b", "a"]) == "known: a, b."


def test_an_unknown_setting_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"pyproject.toml": "[tool.unigate]\nmemry = 1\n"})
    assert build("main:app", "--target", "vercel") == 2
    assert capsys.readouterr().err == (
        "unigate: pyproject.toml: [tool.unigate] has no key 'memry': did you mean 'memory'?\n"
    )


def test_invalid_toml_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"pyproject.toml": "[tool\n"})
    assert build("main:app", "--target", "vercel") == 2
    assert capsys.readouterr().err.startswith("unigate: pyproject.toml is not valid TOML: ")


# Options


def test_the_settings_may_name_the_application(folder: Path) -> None:
    assert build("--target", "google") == 2
    write(folder, {"pyproject.toml": '[tool.unigate]\napp = "main:app"\n'})
    assert build("--target", "google") == 0


def test_split_requires_vercel(capsys: pytest.CaptureFixture[str]) -> None:
    assert build("main:app", "--target", "aws", "--split") == 2
    assert "--split requires --target vercel." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "unused"),
    [
        ("aws", "functions"),
        ("azure", "functions, requirements"),
        ("container", "functions"),
        ("google", "functions, requirements"),
        ("vercel", "requirements"),
    ],
)
def test_settings_that_a_platform_does_not_use_are_noted(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, unused: str
) -> None:
    text = """
[project]
dependencies = ["unigate", "functions-framework"]
[tool.unigate]
memory = 512
timeout = 3
python = "3.13"
requirements = "requirements.txt"
environment = {AB = "c"}
exclude = ["docs/*"]
"""
    limits = '[tool.unigate.functions."/users/{name}"]\ntimeout = 3\n'
    write(folder, {"pyproject.toml": text + limits})
    assert build("main:app", "--target", target, "--dry-run") == 0
    names = ", ".join(f"tool.unigate.{name}" for name in unused.split(", "))
    assert capsys.readouterr().out.endswith(f"\nNot used for {target}: {names}.\n")
    write(folder, {"pyproject.toml": '[project]\ndependencies = ["unigate"]\n'})
    assert build("main:app", "--target", target, "--dry-run") == 0
    assert "Not used" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "needs", "line"),
    [
        (
            "google",
            "unigate",
            "Google requires functions-framework in project.dependencies: add it.\n",
        ),
        ("google", "Functions-Framework>=3", ""),
        ("azure", "unigate", ""),
    ],
)
def test_requirements_that_the_platform_would_not_install_are_noted(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, needs: str, line: str
) -> None:
    platform = {"google": "Google requires", "azure": "Azure installs"}[target]
    assert build("main:app", "--target", target, "--dry-run") == 0
    assert platform not in capsys.readouterr().out
    (folder / "requirements.txt").unlink()
    write(folder, {"pyproject.toml": f"[project]\ndependencies = [{needs!r}]\n"})
    assert build("main:app", "--target", target, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.endswith(line)
    assert (platform in out) == (line != "")


def test_dependencies_that_nothing_declares_are_noted_for_azure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").unlink()
    assert build("main:app", "--target", "azure", "--dry-run") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Azure installs from requirements.txt, which does not exist: write one."


def test_a_dry_run_prints_the_files_and_writes_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(folder)
    assert build("main:app", "--target", "azure", "--output", "out", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "out/host.json:\n    {\n" in printed
    assert f"out/main.py: a copy of {folder}/main.py\n" in printed
    assert tree(folder) == before
    assert build("main:app", "--target", "aws", "--dry-run") == 0
    text = "build/aws/function.zip:\n    main.py\n    requirements.txt\n    and the packages of: -r"
    assert text in capsys.readouterr().out
    assert tree(folder) == before


def test_a_build_into_another_folder_copies_the_project(folder: Path) -> None:
    write(folder, {
        "pages/home.html": "<h1>", "tests/test_main.py": "", ".env": "SECRET=1", "docs/a/b.md": "",
        "inner/tests/kept.py": "", ".git/config": "", "node_modules/x/y.js": "",
        "env/pyvenv.cfg": "", "env/lib/z.py": "", "x.egg-info/PKG-INFO": "",
        "pyproject.toml": '[tool.unigate]\nexclude = ["docs/*"]\n',
    })  # fmt: skip
    for _ in range(2):  # the second build does not copy the output of the first
        assert build("main:app", "--target", "azure", "--output", "out") == 0
        assert set(tree(folder / "out")) == {
            ".unigate-build.json", "function_app.py", "host.json", "inner/tests/kept.py",
            "main.py", "pages/home.html", "pyproject.toml", "requirements.txt",
        }  # fmt: skip


ONCE = """
import json
import sys

from unigate.cli.main import main

pyproject_reads = []
sys.addaudithook(
    lambda event, args: pyproject_reads.append(args[0])
    if event == "open" and str(args[0]).endswith("pyproject.toml")
    else None
)
assert main(["build", "main:app", "--target", "vercel", "--split", "--dry-run"]) == 0
import counted

print(json.dumps([len(pyproject_reads), counted.ROUTE_READS, counted.TARGET_READS]))
"""
COUNTED = """
import flask
import werkzeug.routing

ROUTE_READS = TARGET_READS = 0


class Map(werkzeug.routing.Map):
    def iter_rules(self, endpoint=None):
        global ROUTE_READS
        ROUTE_READS += 1
        return super().iter_rules(endpoint)


class Site(flask.Flask):
    url_map_class = Map


site = Site(__name__)


@site.get("/users/<name>")
def user(name):
    return name


def read_target(name):
    global TARGET_READS
    if name != "app":
        raise AttributeError(name)
    TARGET_READS += 1
    return site
"""


def test_pyproject_the_target_and_the_routes_are_each_read_once(folder: Path) -> None:
    settings = '[tool.unigate.functions."/users/{name}"]\ntimeout = 3\n'
    write(folder, {
        "pyproject.toml": f'[project]\ndependencies = ["flask"]\n{settings}',
        "counted.py": COUNTED,
        "main.py": "from counted import read_target as __getattr__\n",
    })  # fmt: skip
    completed = subprocess.run(
        [sys.executable, "-c", ONCE], cwd=folder, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    # The search for keys reads the file too. An import reads the attribute twice: whether it
    # exists, and what it is.
    assert json.loads(completed.stdout.splitlines()[-1]) == [2, 1, 2]


# Links


def test_links_are_followed(folder: Path) -> None:
    write(folder, {"shared/words.py": "", "shared/deep/text.txt": "tea", "env/pyvenv.cfg": ""})
    write(folder.parent, {"venv/pyvenv.cfg": ""})
    (folder / "site").mkdir()
    (folder / "site/common").symlink_to("../shared")
    (folder / "note.txt").symlink_to("shared/deep/text.txt")
    (folder / "round.txt").symlink_to("round.txt")
    # Left out by its name, and by pyvenv.cfg in it.
    (folder / ".hidden").symlink_to(folder.parent)
    (folder / "venv").symlink_to(folder.parent / "venv")
    assert build("main:app", "--target", "azure", "--output", "out") == 0
    files = tree(folder / "out")
    assert files["site/common/deep/text.txt"] == b"tea"
    assert files["note.txt"] == b"tea"
    assert set(files) == {
        ".unigate-build.json", "function_app.py", "host.json", "main.py", "note.txt",
        "requirements.txt", "shared/deep/text.txt", "shared/words.py",
        "site/common/deep/text.txt", "site/common/words.py",
    }  # fmt: skip
    assert not any(place.is_symlink() for place in (folder / "out").rglob("*"))


@pytest.mark.parametrize(
    ("link", "leads_to", "problem"),
    [
        ("data", "../aside", "/aside, outside the project: "),
        ("inner/data", "/", "/, outside the project: "),
        ("note.txt", "../aside/note.txt", "/aside/note.txt, outside the project: "),
        ("inner/note.txt", "../../aside/note.txt", "/aside/note.txt, outside the project: "),
        ("passwd", "/etc/passwd", "/passwd, outside the project: "),
        ("inner/first", "../.second", "/aside/note.txt, outside the project: "),
        ("data", "../projects", "/projects, outside the project: "),
        ("mypackage", ".", "/project, which contains the link: "),
        ("inner/deep/up", "..", "/project/inner, which contains the link: "),
    ],
)
@pytest.mark.parametrize("options", [["azure", "--output", "out"], ["aws", "--dry-run"]])
def test_a_link_outside_or_to_a_parent_must_be_excluded(
    folder: Path, capsys: pytest.CaptureFixture[str],
    link: str, leads_to: str, problem: str, options: list[str],
) -> None:  # fmt: skip
    write(folder.parent, {"aside/note.txt": "milk", "projects/note.txt": ""})
    (folder / "inner/deep").mkdir(parents=True)
    (folder / ".second").symlink_to("../aside/note.txt")
    (folder / link).symlink_to(leads_to)
    assert build("main:app", "--target", *options) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"unigate: {link!r} is a link to /")
    assert problem in err
    assert err.endswith("Leave the link out with tool.unigate.exclude.\n")
    assert err.count("\n") == 1
    assert not (folder / "out").exists()
    is_folder = (folder / link).is_dir()
    for pattern in (link, f"{link}/*", f"{link}/**") if is_folder else (link,):
        write(folder, {"pyproject.toml": f"[tool.unigate]\nexclude = [{json.dumps(pattern)}]\n"})
        assert build("main:app", "--target", *options) == 0


def test_links_that_lead_to_each_other_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"a/x.txt": "", "b/y/z.txt": ""})
    (folder / "a/to_b").symlink_to("../b/y")
    (folder / "b/y/to_a").symlink_to("../../a")
    assert build("main:app", "--target", "azure", "--output", "out") == 2
    assert "'a/to_b/to_a' is a link to " in capsys.readouterr().err


def test_a_link_to_a_parent_through_another_link_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {".store/words/x.txt": ""})
    (folder / "words").symlink_to(".store/words")
    (folder / ".store/words/store").symlink_to("..")
    assert build("main:app", "--target", "azure", "--output", "out") == 2
    assert "'words/store' is a link to " in capsys.readouterr().err


def test_a_build_in_place_ignores_links(folder: Path) -> None:
    (folder / "data").symlink_to("/")
    for target in ("google", "vercel"):
        assert build("main:app", "--target", target) == 0


def test_djangos_static_files_follow_no_link_that_leaves_the_project(folder: Path) -> None:
    write(folder.parent, {"aside/secret.txt": "1", "aside/more/secret.txt": "1"})
    write(folder, {"static/own.txt": "own", "shop.py": DJANGO})
    (folder / "static/inner.txt").symlink_to("own.txt")
    command = [sys.executable, "-m", "unigate", "build", "shop:app", "--target", "vercel"]

    def build_in_place() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    done = build_in_place()
    assert done.returncode == 0, done.stderr
    assert (folder / "public/static/inner.txt").read_text() == "own"
    for link, leads_to in (("leak.txt", "../../aside/secret.txt"), ("leaks", "../../aside/more")):
        (folder / "static" / link).symlink_to(leads_to)
        done = build_in_place()
        assert done.returncode == 2
        assert f"unigate: 'static/{link}' is a link to " in done.stderr
        (folder / "static" / link).unlink()
    (folder.parent / "aside/public").mkdir()
    write(folder, {"shop.py": DJANGO.replace("/static/", "/../../aside/public/")})
    done = build_in_place()
    assert done.returncode == 2
    assert "must be below" in done.stderr
    assert not any((folder.parent / "aside/public").iterdir())


DJANGO = """
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.staticfiles"],
    STATIC_URL="/static/",
    STATICFILES_DIRS=[Path(__file__).parent / "static"],
)
app = get_wsgi_application()
"""


# Names and values in generated files

TARGETS = ["aws", "azure", "google", "vercel"]
ANY_NAME = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return site
"""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        *[("my-app", "site"), ("class", "site"), ("a b", "site"), ("1", "site"), ("a;b", "site")],
        *[("cafe\u0301", "site"), ("\uff41", "site"), ("a\nprint(1)", "site"), ("a#", "site")],
        *[("names", attribute) for attribute in (
            "site\nprint(1)", "site as x", "site; print(1)", "site # x", "*", "(site)", "a b", "if",
            'x"""', "x'", "{{ 1 }}", "${x}", "e\u0301", "\uff41", "\U0001f600", "x\u2028y", "x\\",
            "None", "site.class", "x\x0cy", "\t",
        )],
    ],
)  # fmt: skip
def test_a_target_that_python_source_cannot_name_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, module: str, attribute: str
) -> None:
    write(folder, {f"{module}.py": FLASK + ANY_NAME, "names.py": FLASK + ANY_NAME})
    if "." in attribute:
        write(folder, {"names.py": f"{FLASK}\nsetattr(site, 'class', site)\n"})
    assert build(f"{module}:{attribute}", "--target", target, "--output", "out") == 2
    err = capsys.readouterr().err
    assert err.startswith("unigate: The entry point cannot import ")
    assert err.endswith(" must be a Python identifier.\n")
    assert not (folder / "out").exists()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "application",
    [
        "caf\u00e9.\u65e5\u672c:\u043f\u0440\u0438\u043b",
        "match.type:case",
        "_.__:_",
        "pkg.mod:gateway",
    ],
)
def test_every_generated_file_can_be_parsed(folder: Path, target: str, application: str) -> None:
    module, _, attribute = application.partition(":")
    path = module.replace(".", "/")
    write(folder, {
        f"{path}.py": FLASK.replace("site", attribute), f"{Path(path).parent}/__init__.py": "",
        "requirements.txt": "",
    })  # fmt: skip
    assert build(application, "--target", target, "--output", "out", "--force") == 0
    parsed = 0
    for file in (folder / "out").rglob("*"):
        if file.suffix == ".py":
            ast.parse(file.read_bytes())
        elif file.suffix == ".json":
            json.loads(file.read_bytes())
        elif file.suffix == ".yaml":
            assert application in yaml.safe_load(file.read_bytes())["Description"]
        elif file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                entry_point = archive.read("lambda_function.py")
            ast.parse(entry_point)
            assert f"from {module} import {attribute} ".encode() in entry_point
        else:
            continue
        parsed += 1
    assert parsed > 2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "output", ["a b", "$(id)", "a;b", "a'b", 'a"b', "`id`", "\u00e9 &", "a\nb"]
)
def test_the_command_to_deploy_is_quoted_for_a_shell(
    capsys: pytest.CaptureFixture[str], target: str, output: str
) -> None:
    assert build("main:app", "--target", target, "--dry-run", "--output", output) == 0
    printed = capsys.readouterr().out
    name = output + "/template.yaml" if target == "aws" else output
    lines = printed[printed.rindex("\n\n") + 2 :]
    assert name in shlex.split(lines)


# Existing files


def test_a_file_of_the_project_is_replaced_only_with_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"function_app.py": "mine = True\n"})
    for output in ("out", "."):
        assert build("main:app", "--target", "azure", "--output", output) == 2
        assert "function_app.py" in capsys.readouterr().err
    assert build("main:app", "--target", "azure", "--output", "out", "--force") == 0
    assert "FunctionApp" in (folder / "out/function_app.py").read_text()
    assert (folder / "function_app.py").read_text() == "mine = True\n"


@pytest.mark.parametrize("output", ["out", "."])
def test_a_json_file_of_the_project_is_merged(folder: Path, output: str) -> None:
    write(folder, {"host.json": '{"mine": true, "extensions": {"queues": {"batchSize": 1}}}'})
    for _ in range(2):
        assert build("main:app", "--target", "azure", "--output", output) == 0
        merged = json.loads((folder / output / "host.json").read_text())
        assert merged["mine"] is True
        queues = {"batchSize": 1}
        assert merged["extensions"] == {"http": {"routePrefix": ""}, "queues": queues}


# Google and Azure


def test_googles_file_has_another_name_if_main_is_the_application(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("main:app", "--target", "google") == 0
    assert "GOOGLE_FUNCTION_SOURCE=google_function.py" in capsys.readouterr().out
    write(folder, {"shop.py": FLASK})
    assert build("shop:site", "--target", "google", "--output", "out", "--force") == 0
    assert "GOOGLE_FUNCTION_SOURCE" not in capsys.readouterr().out
    assert "gateway = unigate.wrap(inner)" in (folder / "out/main.py").read_text()


def test_limits_for_google_and_azure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = '[tool.unigate]\nmemory = 256\ntimeout = 3125\npython = "3.13"\n'
    write(folder, {"pyproject.toml": settings})
    assert build("main:app", "--target", "google") == 0
    out = capsys.readouterr().out
    assert "--runtime python313 " in out
    assert " --memory 256MiB --timeout 3125s " in out
    assert build("main:app", "--target", "azure") == 0
    host = json.loads((folder / "host.json").read_text())
    assert host["functionTimeout"] == "00:52:05"
    assert host["extensions"]["http"]["routePrefix"] == ""


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("aws", "--template out/template.yaml --stack-name "),
        ("azure", "cd out && func azure"),
        ("google", " --source out "),
        ("vercel", " --cwd out\n"),
        ("container", "docker build --tag project out\n"),
    ],
)
def test_the_command_to_deploy_names_the_output_folder(
    capsys: pytest.CaptureFixture[str], target: str, place: str
) -> None:
    assert build("main:app", "--target", target, "--dry-run", "--output", "out") == 0
    assert place in capsys.readouterr().out
    assert build("main:app", "--target", target, "--dry-run", "--output", ".") == 0
    assert "out" not in capsys.readouterr().out.rpartition("\n\n")[2]


def test_an_application_in_function_app_is_refused_for_azure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"function_app.py": FLASK})
    assert build("function_app:site", "--target", "azure") == 2
    assert capsys.readouterr().err.startswith(
        "unigate: Azure's entry point must be function_app.py: "
    )
