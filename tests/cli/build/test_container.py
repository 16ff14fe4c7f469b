"""`unigate build --target container`: the Dockerfile, its .dockerignore and the commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

from tests.cli.projects import GATEWAY, project, tree, write
from unigate.cli.main import main
from unigate.cli.project.core import Project
from unigate.cli.project.pyproject import read_pyproject
from unigate.cli.project.target import load_target

ASGI = """
import fastapi

import unigate

api = fastapi.FastAPI()
app = unigate.wrap(api)
mixed = unigate.wrap("shop:site", mounts={"/v2": api})
"""
EVERY_RULE = {
    ".env": "",
    ".gitignore": "*.log\n!keep.log\n/only-here.txt\nscratch/\n",
    ".well-known/a": "",
    "a.log": "",
    "keep.log": "",
    "only-here.txt": "",
    "package/only-here.txt": "",
    "package/.gitignore": "local*\n",
    "package/local_settings.py": "",
    "package/scratch/a": "",
    "package/more/scratch": "",
    "certs/a.pem": "",
    "certs/b.pem": "",
    "credentials.json": "",
    "prod.sqlite3": "",
    "package/[x] y.txt": "",
    ".git/config": "",
    "dist/a.whl": "",
    "docs/notes/a.md": "",
    "docs/a.txt": "",
    "frontend/node_modules/a/index.js": "",
    "notes/a.md": "",
    "package/__init__.py": "",
    "package/.hidden/a.py": "",
    "package/__pycache__/a.pyc": "",
    "package/data/deep/a.csv": "",
    "package/data/a.csv": "",
    "package/data/a.json": "",
    "package/tests/a.py": "",
    "shop.egg-info/PKG-INFO": "",
    "tests/test_a.py": "",
    "build/aws/.unigate-build.json": "{}",
    "build/aws/main.py": "",
    "venv/pyvenv.cfg": "",
    "venv/lib/a.py": "",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    library = '[project]\nname = "lib"\nversion = "1"\n'
    files = {
        "shop.py": GATEWAY, "api.py": ASGI, "more.txt": "unigate\n", "lib/pyproject.toml": library,
    }  # fmt: skip
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


def build(*args: str) -> int:
    return main(["build", *args, "--target", "container"])


def instructions(folder: Path) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    parser = DockerfileParser(str(folder / "Dockerfile"))
    rows = [(row["instruction"], row["value"]) for row in parser.structure]
    return [row for row in rows if row[0] != "COMMENT"]


def argument(folder: Path, instruction: str) -> str:
    (value,) = [value for name, value in instructions(folder) if name == instruction]
    return value


def environment(folder: Path) -> dict[str, str]:
    return dict(DockerfileParser(str(folder / "Dockerfile")).envs)


def settings(folder: Path, text: str) -> None:
    write(folder, {"pyproject.toml": text})


@pytest.mark.parametrize(
    ("target", "server", "loaded"),
    [
        ("shop:app", "gunicorn", "shop:app"),
        ("shop:site", "gunicorn", "container_app:app"),
        ("api:app", "uvicorn", "api:app"),
        ("api:api", "uvicorn", "container_app:app"),
        ("api:mixed", "uvicorn", "api:mixed"),
    ],
)
def test_the_server_is_that_of_the_applications(
    folder: Path, target: str, server: str, loaded: str
) -> None:
    assert build(target) == 0
    command = json.loads(argument(folder, "CMD"))
    if command[0] == "sh":
        shell = shlex.split(command[2])
        assert shell[0] == "exec"
        assert "--port=$PORT" in shell
        command = shell[1:]
    assert (command[0], command[-1]) == (server, loaded)
    assert (folder / "container_app.py").exists() == (loaded == "container_app:app")
    packages = next(value for name, value in instructions(folder) if "pip install" in value)
    assert shlex.split(packages)[3:5] == ["-r", "requirements.txt"]
    assert server in shlex.split(packages)[5]


def test_the_user_is_no_root_and_owns_no_file(folder: Path) -> None:
    assert build("shop:app") == 0
    assert argument(folder, "USER") == "1000"
    names = [name for name, _ in instructions(folder)]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "COPY")


def test_the_image_has_the_projects_python_and_its_variables(folder: Path) -> None:
    value = "a $HOME ${B} \"c\" 'd' \\ e\\n #"
    table = (
        f'[tool.unigate]\npython = "3.13"\n[tool.unigate.environment]\nA = {json.dumps(value)}\n'
    )
    settings(folder, table)
    assert build("shop:app") == 0
    assert argument(folder, "FROM") == "python:3.13-slim"
    assert environment(folder)["PORT"] == "8080"
    # What Docker makes of an escaped value, which dockerfile-parse leaves escaped.
    written = (folder / "Dockerfile").read_text("utf-8").partition('ENV A="')[2].partition('"\n')[0]
    assert written == value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


def test_the_port_is_a_setting(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(folder, '[tool.unigate.environment]\nPORT = "9000"\n')
    assert build("shop:app") == 0
    assert (environment(folder)["PORT"], argument(folder, "EXPOSE")) == ("9000", "9000")
    assert "--publish 127.0.0.1:9000:9000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('environment = {A = "b\\nc"}', "environment.A must be one line for a Dockerfile"),
        ('environment = {PORT = "http"}', "environment.PORT must be a number, got 'http'."),
        ('container = {health = "health"}', "health must be the path of a URL, such as /health"),
        ('container = {health = "/a b"}', "of the application, got '/a b'."),
    ],
)
def test_a_setting_that_an_image_cannot_have_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], table: str, problem: str
) -> None:
    settings(folder, f"[tool.unigate]\n{table}\n")
    assert build("shop:app") == 2
    assert problem in capsys.readouterr().err
    assert not (folder / "Dockerfile").exists()


@pytest.mark.parametrize(
    ("requirements", "first"),
    [
        ("flask\nunigate\n", "requirements.txt requirements.txt"),
        ("-r more.txt\n", ". ."),
        ("flask\n  -e ./lib\n", ". ."),
        ("./lib\n", ". ."),
    ],
)
def test_the_packages_are_a_layer_before_the_sources(
    folder: Path, requirements: str, first: str
) -> None:
    write(folder, {"requirements.txt": requirements})
    assert build("shop:app") == 0
    found = instructions(folder)
    assert found[[name for name, _ in found].index("COPY")] == ("COPY", first)
    assert [value for name, value in found if name == "COPY"][-1] == ". ."


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("gunicorn==23.0\n", False),
        ("Gunicorn\n", False),
        ("gunicorn-extra\n", True),
        ("# gunicorn\n", True),
    ],
)
def test_a_server_that_the_project_requires_is_not_added(
    folder: Path, text: str, added: bool
) -> None:
    write(folder, {"requirements.txt": text})
    assert build("shop:app") == 0
    installed = next(value for _, value in instructions(folder) if "pip install" in value)
    assert ("gunicorn>=" in installed) == added


def test_dependencies_of_pyproject_are_installed_without_a_file(folder: Path) -> None:
    (folder / "requirements.txt").unlink()
    settings(folder, '[project]\ndependencies = ["unigate", "flask>=3; python_version > \'3\'"]\n')
    assert build("shop:app") == 0
    found = instructions(folder)
    installed = shlex.split(next(value for _, value in found if "pip install" in value))
    assert installed[3:] == ["unigate", "flask>=3; python_version > '3'", "gunicorn>=23"]
    assert [value for name, value in found if name == "COPY"] == [". ."]


@pytest.mark.parametrize("target", ["shop:app", "api:api"])
@pytest.mark.parametrize("requirements", ["flask\nunigate\n", "-r more.txt\n"])
def test_hadolint_finds_nothing(folder: Path, target: str, requirements: str) -> None:
    write(folder, {"requirements.txt": requirements})
    settings(folder, '[tool.unigate]\nenvironment = {A = "$b"}\ncontainer = {health = "/h"}\n')
    assert build(target) == 0
    command = [Path(sys.executable).with_name("hadolint"), "Dockerfile"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def copied(folder: Path) -> set[str]:
    """Return the files that Docker's own client sends to the daemon, but for those of the build."""
    patterns = (folder / ".dockerignore").read_text("utf-8").splitlines()
    sent = exclude_paths(str(folder), patterns)
    # These two are always sent.
    return {path for path in sent if (folder / path).is_file()} - {"Dockerfile", ".dockerignore"}


def deployed(folder: Path) -> set[str]:
    """Return what a build into another folder copies."""
    made = Project(folder, read_pyproject(folder), load_target("shop:app"), folder, "container")
    return made.files().keys() - {"Dockerfile"}


def test_what_the_image_lacks_is_what_is_not_deployed(folder: Path) -> None:
    table = 'exclude = ["docs/*", "*.csv", "notes"]\ninclude = [".well-known/a", "certs/a.pem"]\n'
    settings(folder, f"[tool.unigate]\n{table}")
    write(folder, EVERY_RULE)
    assert build("shop:app") == 0
    assert copied(folder) == deployed(folder)
    assert {"package/data/a.json", ".well-known/a", "certs/a.pem"} <= copied(folder)


def test_what_appears_after_the_build_is_left_out_by_the_same_rules(folder: Path) -> None:
    settings(folder, '[tool.unigate]\nexclude = ["*.csv"]\n')
    write(folder, {".gitignore": "*.log\n/only-here.txt\ncache/\n"})
    assert build("shop:app") == 0
    before = copied(folder)
    new = ("a/b.log", "only-here.txt", "a/cache/b", "a/b.csv", "a/.env", "a/prod.sqlite3")
    write(folder, dict.fromkeys((*new, "a/only-here.txt", "a/b.txt"), ""))
    assert copied(folder) - before == {"a/only-here.txt", "a/b.txt"}


def test_a_name_with_the_marks_of_patterns_is_escaped(folder: Path) -> None:
    # As moby/patternmatcher reads it; the Python client knows no escapes.
    settings(folder, '[tool.unigate]\ninclude = ["?a? *.pem"]\n')
    write(folder, {"[a] b.pem": "", "[c].log": "", ".gitignore": "?c?.log\n"})
    assert build("shop:app") == 0
    lines = (folder / ".dockerignore").read_text("utf-8").splitlines()
    assert "!\\[a\\]\\ b.pem" in lines
    assert "\\[c\\].log" in lines


def test_a_dockerignore_of_the_projects_own_is_kept(folder: Path) -> None:
    write(folder, {".dockerignore": "mine\n!package/*.log\n", "mine/a.py": "", "yours.log": ""})
    write(folder, {".gitignore": "*.log\n", "package/a.log": "", "package/b/a.log": ""})
    assert build("shop:app") == 0
    assert (folder / ".dockerignore").read_text("utf-8").startswith("mine\n!package/*.log\n")
    assert copied(folder) == deployed(folder)
    assert "package/a.log" in copied(folder)
    assert not {"mine/a.py", "yours.log", "package/b/a.log"} & copied(folder)


def test_two_builds_are_one(folder: Path) -> None:
    assert build("shop:site") == 0
    first = tree(folder)
    assert build("shop:site") == 0
    assert tree(folder) == first


def test_another_folder_has_all_that_the_image_needs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("shop:app", "--output", "out") == 0
    assert {"Dockerfile", ".dockerignore", "requirements.txt", "shop.py"} <= tree(
        folder / "out"
    ).keys()
    out = capsys.readouterr().out
    assert "docker build --tag project out\n" in out
    assert "\n  cd out && fly launch" in out


def test_the_next_commands_are_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(
        folder,
        '[project]\nname = "My_Shop.1"\n[tool.unigate]\nmemory = 512\ntimeout = 60\n'
        'requirements = "requirements.txt"\ncontainer = {health = "/health"}\n',
    )
    assert build("shop:app") == 0
    assert capsys.readouterr().out.partition("\n")[2] == (
        "Try it here:\n"
        "  docker build --tag my-shop-1 .\n"
        "  docker run --rm --publish 127.0.0.1:8080:8080 my-shop-1\n"
        "Deploy to Cloud Run, with PROJECT and REGION set in the shell:\n"
        '  gcloud run deploy my-shop-1 --source . --project "$PROJECT" --region "$REGION" '
        "--port 8080 \\\n"
        "      --allow-unauthenticated --memory 512Mi --timeout 60 --liveness-probe "
        "httpGet.path=/health\n"
        "Or to Fly, with REGION set in the shell:\n"
        '  fly launch --name my-shop-1 --region "$REGION" --internal-port 8080 \\\n'
        "      --env FORWARDED_ALLOW_IPS=172.16.0.0/12\n"
    )


def test_the_files_of_the_image_can_be_read_by_its_user(folder: Path) -> None:
    assert build("shop:app") == 0
    text = (folder / "Dockerfile").read_text()
    (step,) = re.findall(r"^RUN (find .+) && python", text, re.MULTILINE)
    assert text.index("COPY . .") < text.index(step) < text.index("USER ")
    write(folder, {"private/a": "", "private/run": "", "shared": ""})
    for path, mode in {"private/a": 0o600, "private/run": 0o700, "shared": 0o644}.items():
        (folder / path).chmod(mode)
    (folder / "private").chmod(0o700)
    (folder / "dangling").symlink_to("nowhere")
    subprocess.run(shlex.split(step), cwd=folder, check=True, timeout=60)
    modes = {path: (folder / path).stat().st_mode & 0o777 for path in ("private/a", "shared")}
    assert modes == {"private/a": 0o644, "shared": 0o644}
    assert (folder / "private").stat().st_mode & 0o777 == 0o755
    assert (folder / "private/run").stat().st_mode & 0o777 == 0o755


def test_a_local_package_that_is_built_in_is_not_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = folder / "unigate-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("unigate/__init__.py", "")
        information = "unigate-1.dist-info"
        archive.writestr(
            f"{information}/METADATA", "Metadata-Version: 2.1\nName: unigate\nVersion: 1\n"
        )
        archive.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{information}/RECORD", "unigate/__init__.py,,\n")
    write(folder, {"requirements.txt": f"flask\n./{wheel.name}\n"})
    assert build("shop:app", "--output", "out") == 0
    assert "unigate is not in" not in capsys.readouterr().out


@pytest.mark.parametrize(("text", "noted"), [("flask\n", True), ("-r more.txt\n", False)])
def test_requirements_without_unigate_are_noted(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, noted: bool
) -> None:
    write(folder, {"requirements.txt": text})
    assert build("shop:app") == 0
    assert ("unigate is not in requirements.txt: add it." in capsys.readouterr().out) == noted
