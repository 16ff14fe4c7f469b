"""Which files of a project are deployed, and what a build says about the others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project, tree, write
from unigate.cli.main import main
from unigate.cli.project.files import ProjectFiles

ROOT_FILES = {"main.py", "requirements.txt"}
KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\n"})
OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, {"requirements.txt": ""}) as made:
        yield made


def copied(folder: Path, target: str = "google") -> set[str]:
    """Return the files of the project that a build into another folder copies."""
    out = folder.parent / "out"
    options = ["--target", target, "--output", str(out), "--force"]
    assert main(["build", "main:app", *options]) == 0
    return set(tree(out)) & set(tree(folder))


def git(folder: Path, *arguments: str) -> list[str]:
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, timeout=60)
    return sorted(filter(None, done.stdout.decode().split("\0")))


def setting(folder: Path, **lists: list[str]) -> None:
    lines = [f"{name} = {json.dumps(patterns)}\n" for name, patterns in lists.items()]
    text = "[project]\ndependencies = []\n[tool.unigate]\n" + "".join(lines)
    write(folder, {"pyproject.toml": text})


# Ignore files

IGNORING = [
    {".gitignore": "*.log\n!keep.log\n"},
    {".gitignore": "data/\n!data/keep.txt\n"},  # nothing below a folder that is left out
    {".gitignore": "data/*\n!data/keep.txt\n"},
    {".gitignore": "/keep.log\na/b/\n"},
    {".gitignore": "b/keep.log\n"},
    {".gitignore": "**/b\n"},
    {".gitignore": "a/**/keep.log\n\\#x\n  \n# data\n"},
    {".gitignore": "*.log\n!b/\n"},
    {".gitignore": "*.log\n", "a/.gitignore": "!keep.log\n/b/\n"},
    {".gitignore": "*.log\n", "a/.gitignore": "!b/\n"},
    {".gitignore": "*.log\n", "a/b/.gitignore": "!*.log\n*.txt\n"},
    {"a/.gitignore": "/keep.log\n", "data/.gitignore": "*\n!.gitignore\n"},
    {".gitignore": "[ab]\n", "we [ird]/.gitignore": "/x.log\n"},
    {".gitignore": "\ufeff*.log\n"},
    {".gitignore": "x.log   \ntrailing\\ \n"},
]
SOME = [
    "keep.log", "x.log", "#x", "trailing ", "data/keep.txt", "data/x.txt", "data/a/x.txt",
    "a/keep.log", "a/x.log", "a/b/keep.log", "a/b/x.txt", "a/c/b/keep.log", "b/keep.log",
    "we [ird]/x.log", "we [ird]/a/x.log",
]  # fmt: skip


@pytest.mark.parametrize("files", IGNORING, ids=str)
@pytest.mark.parametrize("above", ["", "shop/front", "a/b"])
def test_ignore_files_mean_what_they_mean_for_git(
    tmp_path: Path, files: dict[str, str], above: str
) -> None:
    """A project may be a folder of a repository, whose files above it count as well."""
    top = tmp_path / "top"
    root = top / above
    write(root, {**dict.fromkeys(SOME, ""), **files})
    if above:
        write(top, {".gitignore": "c/\n/shop/front/a/x.log\n/a/b/data/x.txt\n/a/*\n!/a/b/\n"})
    git(top, "init", "--quiet")
    shown = git(root, "ls-files", "--others", "--exclude-standard", "-z", ".")
    wanted = {path for path in shown if not path.endswith(".gitignore")}
    assert set(ProjectFiles(root, tmp_path / "out", ()).by_path) == wanted
    assert wanted


def test_a_project_in_an_ignored_folder_is_no_empty_one(folder: Path) -> None:
    git(folder.parent, "init", "--quiet")
    write(folder.parent, {".gitignore": "project/\n*.txt\n"})
    assert copied(folder) == ROOT_FILES


@pytest.mark.parametrize(
    ("target", "file"),
    [("vercel", ".vercelignore"), ("google", ".gcloudignore"), ("azure", ".funcignore")],
)
def test_only_the_ignore_file_of_the_targets_own_tool_is_read(
    folder: Path, target: str, file: str
) -> None:
    ignoring = {".vercelignore": "a.txt\n", ".gcloudignore": "b.txt\n", ".funcignore": "c.txt\n"}
    files = dict.fromkeys(("a.txt", "b.txt", "c.txt", "d.txt"), "")
    write(folder, {**files, ".gitignore": "d.txt\n", **ignoring})
    kept = {"a.txt", "b.txt", "c.txt"} - {ignoring[file].strip()}
    assert copied(folder, target) == {*ROOT_FILES, *kept}


def test_the_targets_ignore_file_takes_in_what_git_ignores(folder: Path) -> None:
    write(folder, {"static/app.css": "", "x.log": "", ".gitignore": "static/\n*.log\n"})
    write(folder, {".gcloudignore": "#!include:.gitignore\n!static/\n"})
    assert copied(folder) == {*ROOT_FILES, "static/app.css"}


def test_patterns_of_docker_begin_at_its_folder(folder: Path) -> None:
    write(folder, {"data/x": "", "a/data/x": "", ".dockerignore": "data\n!data\n/data\n"})
    files = ProjectFiles(folder, folder.parent / "out", (), platform="container")
    assert set(files.by_path) == {*ROOT_FILES, "a/data/x"}


def test_ignored_files_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {".gitignore": "*.log\nlogs/\n", "logs/a": "", ".idea/x": ""})
    for number in range(6):
        write(folder, {f"{number}.log": ""})
    copied(folder)
    assert (
        "Left out 0.log, 1.log, 2.log, 3.log, 4.log and 2 more, by .gitignore and the like: "
        "tool.unigate.include takes files in.\n"
    ) in capsys.readouterr().out


def test_what_git_tracks_is_deployed_although_a_pattern_ignores_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {".gitignore": "*.bin\ndata/\n", "a.bin": "", "b.bin": "", "data/in/c": ""})
    write(folder, {"data/in/d": "", "data/e": "", ".env": "A=1", "own.bin": ""})
    git(folder, "init", "--quiet")
    git(folder, "add", "--force", "a.bin", "data/in/c", ".env", "own.bin")
    write(folder, {".gcloudignore": "own.bin\n"})
    assert copied(folder) == {*ROOT_FILES, "a.bin", "data/in/c"}
    left = "Left out b.bin, data/e, data/in/d, own.bin, by .gitignore"
    assert left in capsys.readouterr().out
    assert main(["build", "main:app", "--target", "google"]) == 0
    shutil.rmtree(folder / ".git")  # whose index hides files from `uploaded_by_git`
    assert {"a.bin", "data/in/c"} <= uploaded_by_git(folder)
    assert not {"b.bin", "data/in/d", "data/e"} & uploaded_by_git(folder)


def test_a_submodule_has_rules_of_its_own(folder: Path) -> None:
    write(folder, {".gitignore": "*.bin\ndata/\nold/\n", "a.bin": "", "old/.git/HEAD": ""})
    write(
        folder, {"sub/a.bin": "", "sub/deep/data/b.bin": "", "sub/c.tmp": "", "sub/deep/.env": ""}
    )
    write(folder, {"sub/.gitignore": "*.tmp\n", "sub/.git": "gitdir: ../.git/modules/sub\n"})
    write(folder, {"old/c": ""})
    kept = {"sub/a.bin", "sub/deep/data/b.bin"}
    assert copied(folder) == {*ROOT_FILES, *kept}
    assert main(["build", "main:app", "--target", "google"]) == 0
    (folder / "sub/.git").unlink()  # git lists nothing below it
    assert kept == {path for path in uploaded_by_git(folder) if path.startswith("sub/")}


def test_folders_with_built_files_are_left_out_at_the_root_alone(folder: Path) -> None:
    write(folder, {"dist/a.whl": "", "static/dist/a.js": "", ".well-known/x": "", ".idea/y": ""})
    assert copied(folder) == {*ROOT_FILES, "static/dist/a.js", ".well-known/x"}


# Secrets


@pytest.mark.parametrize(("path", "text"), [
    ("credentials.json", "{}"), ("deep/credentials", ""), ("Credentials-prod.yaml", ""),
    ("server.pem", ""), ("server.pem", PUBLIC + "-----BEGIN EC PRIVATE KEY-----\n"),
    ("tls.key", ""), ("prod.sqlite3", ""), (".env", "A=1"), (".env.production", ""),
    ("client_secret_1.json", "{}"), ("id_rsa", ""), ("store.P12", ""), ("id_dsa", ""),
    ("AuthKey_1.p8", ""), ("prod.env", "A=1"), ("shop.sqlite", ""), ("shop.sqlite-wal", ""),
    ("local.settings.json", "{}"), ("deploy_key", OPENSSH), ("both.crt", PUBLIC + OPENSSH),
    ("shop-1a2b3c.json", KEY),
])  # fmt: skip
def test_what_looks_like_a_secret_is_left_out_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str], path: str, text: str
) -> None:
    write(folder, {path: text, ".gitignore": f"/{path}\n"})  # ignored or not, it is named
    assert path not in copied(folder)
    line = f"Left out {path}, which looks like a secret ("
    assert capsys.readouterr().out.count(line) == 1
    setting(folder, include=[path])
    assert path in copied(folder)
    assert "looks like a secret" not in capsys.readouterr().out


@pytest.mark.parametrize(("path", "text"), [
    ("credentials.py", ""), ("credentials/__init__.py", ""), ("templates/credentials.html", ""),
    ("ca.pem", PUBLIC), ("public.pem", "-----BEGIN PUBLIC KEY-----\n"), ("keys.py", ""),
    ("data.json", '{"private_key": null}'), ("list.json", '["private_key"]'), ("bad.json", "{"),
    ("ca.crt", PUBLIC), ("environment.txt", ""), ("keys.md", OPENSSH), ("keys.py", OPENSSH),
    ("notes.txt", "with -----BEGIN PRIVATE KEY-----"), ("big.txt", OPENSSH + "x" * 2**16),
    ("app.json", '{"type": "service_account"}'), ("cards.db", ""),
])  # fmt: skip
def test_what_looks_like_none_is_deployed(folder: Path, path: str, text: str) -> None:
    write(folder, {path: text})
    assert path in copied(folder)


@pytest.mark.parametrize("target", ["vercel", "google", "azure"])
def test_a_dry_run_names_secrets_too(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    write(folder, {"a.key": ""})
    assert main(["build", "main:app", "--target", target, "--dry-run"]) == 0
    assert (
        "Left out a.key, which looks like a secret (its name is *.key)" in capsys.readouterr().out
    )


# Settings


@pytest.mark.parametrize(("include", "taken"), [
    (["static/built/*"], {"static/built/app.js", "static/built/img/a.png"}),
    (["static/built"], {"static/built/app.js", "static/built/img/a.png"}),
    (["static/built/"], {"static/built/app.js", "static/built/img/a.png"}),
    (["static/built/app.js"], {"static/built/app.js"}),
    (["static/*/app.js"], {"static/built/app.js"}),
    (["*/built/app.js"], set()),  # names no folder, so none is searched
    (["data/*"], {"data/x.log"}),  # no bytecode
    (["*.log"], {"x.log", "data/x.log"}),
    ([".hidden"], {".hidden/security.txt"}),
    (["tests/data/*"], {"tests/data/x"}),
    (["venv/*", "built/*"], set()),
])  # fmt: skip
def test_include_takes_files_in(folder: Path, include: list[str], taken: set[str]) -> None:
    ways = ["static/built/app.js", "static/built/img/a.png", "x.log", "data/x.log", "tests/data/x"]
    ways += [
        "data/__pycache__/x.pyc",
        "tests/test_x.py",
        ".hidden/security.txt",
        "ignored/x.log",
    ]
    write(folder, {**dict.fromkeys(ways, ""), ".gitignore": "*.log\nignored/\nstatic/built/\n"})
    write(folder, {"venv/pyvenv.cfg": "", "built/.unigate-build.json": "{}", "built/x": ""})
    setting(folder, include=include)
    assert copied(folder) == {*ROOT_FILES, "pyproject.toml", *taken}


def test_exclude_overrides_include(folder: Path) -> None:
    write(folder, {"data/a": "", "data/b": "", ".gitignore": "data/\n"})
    setting(folder, include=["data"], exclude=["data/b", "requirements.txt"])
    assert copied(folder) == {"main.py", "pyproject.toml", "data/a"}


def test_files_that_other_builds_wrote_stay_out(folder: Path) -> None:
    for target in ("vercel", "google", "azure"):
        assert main(["build", "main:app", "--target", target]) == 0
    assert main(["build", "main:app", "--target", "aws", "--no-bytecode"]) == 0
    with zipfile.ZipFile(folder / "build/aws/function.zip") as archive:
        assert set(archive.namelist()) == ROOT_FILES
    write(folder, {"vercel.json": "{}"})
    kept = copied(folder, "azure") - {".unigate-build.json"}
    assert kept == {*ROOT_FILES, "function_app.py", "host.json", "vercel.json"}


# The ignore file of a build into the project


def uploaded(folder: Path, file: str) -> set[str]:
    """Return what a tool uploads, by the rules of its ignore file."""
    if file != ".funcignore":
        return set(git(folder, "ls-files", "--others", f"--exclude-from={file}", "-z"))
    denied, allowed = [], []
    for line in (folder / file).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        lines = allowed if line.startswith("!") else denied
        text = line.removeprefix("!").removeprefix("/")
        text = re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", text)
        lines.append(f"({text.replace('**', '(.+)').replace('*', '([^/]+)')})")
    return {
        path
        for path in tree(folder)
        if re.match("|".join(allowed) or "$^", path) or not re.match("|".join(denied), path)
    }


TOOLS = [("vercel", ".vercelignore"), ("google", ".gcloudignore"), ("azure", ".funcignore")]


@pytest.mark.parametrize(("target", "file"), TOOLS)
def test_a_build_into_the_project_keeps_the_same_files_from_the_upload(
    folder: Path, target: str, file: str
) -> None:
    paths = ["credentials.json", "deep/a.key", ".env", "x.log", "data", "database.py", "a/x.log"]
    paths += ["kept.pem", "built/a.js", "built/b.js", "docs/a.md", "we [ird]/x.log", "a/keep.log"]
    paths += ["pkg/__pycache__/x.pyc", "node_modules/x/y", "tests/test_x.py"]
    paths += ["pkg/dist/b.js", ".well-known/x", "prod.env", "x.sqlite", "local.settings.json"]
    write(folder, dict.fromkeys(paths, "x"))
    write(folder, {".gitignore": "*.log\nbuilt/\n/data\n", "a/.gitignore": "!keep.log\n"})
    write(folder, {"account.json": KEY, "deploy_key": OPENSSH})
    setting(folder, include=["kept.pem", "built/a.js"], exclude=["docs/*"])
    git(folder, "init", "--quiet")
    for other, _ in TOOLS:
        if other != target:
            assert main(["build", "main:app", "--target", other]) == 0
    assert main(["build", "main:app", "--target", target]) == 0
    files = uploaded(folder, file)
    kept = {"main.py", "requirements.txt", "pyproject.toml", "database.py", "kept.pem"}
    kept |= {"built/a.js", "a/keep.log", "pkg/dist/b.js", ".well-known/x"}
    made = {
        "vercel": {"api/index.py", "vercel.json", "public/.gitkeep", ".python-version"},
        "google": {"google_function.py"},
        "azure": {"function_app.py", "host.json"},
    }
    # Vercel leaves these out of functions by itself, or by excludeFiles.
    kept |= {"tests/test_x.py", "docs/a.md"} if target == "vercel" else set()
    hidden = {path for path in files if path.rpartition("/")[2].startswith(".")}
    assert files - hidden == (kept | made[target]) - hidden
    assert ".well-known/x" in files
    assert not hidden & {".env", ".unigate-build.json", ".gitignore", file}
    # What looks like a secret stays out even if it appears later.
    write(folder, {"credentials-2.json": "", "deep/er/b.pem": "", ".env.local": ""})
    later = uploaded(folder, file) - files
    assert later <= ({"credentials-2.json"} if target == "azure" else set())


@pytest.mark.parametrize(("target", "file"), TOOLS)
def test_what_the_build_writes_is_uploaded_although_git_ignores_it(
    folder: Path, target: str, file: str
) -> None:
    write(folder, {".gitignore": "api/\npublic/\n*.json\nfunction_app.py\ngoogle_function.py\n"})
    git(folder, "init", "--quiet")
    for _ in range(2):
        assert main(["build", "main:app", "--target", target]) == 0
        record = json.loads((folder / ".unigate-build.json").read_text())
        assert record[target].keys() - {file} <= uploaded(folder, file)


@pytest.mark.parametrize(("target", "file"), TOOLS)
def test_the_users_lines_of_an_ignore_file_are_kept(folder: Path, target: str, file: str) -> None:
    write(folder, {file: "# mine\ndocs/", "docs/x": "", "x.key": ""})
    assert main(["build", "main:app", "--target", target]) == 0
    first = (folder / file).read_text()
    assert first.startswith("# mine\ndocs/\n# Begin of the lines that `unigate build` writes")
    assert main(["build", "main:app", "--target", target]) == 0
    assert (folder / file).read_text() == first
    (folder / file).write_text(f"{first}\nmore/\n")
    assert main(["build", "main:app", "--target", target]) == 0
    text = (folder / file).read_text()
    assert text.startswith("# mine\ndocs/\n\nmore/\n# Begin of the lines")
    # A build that has no such file does not remove it, as it would its own.
    assert main(["build", "main:app", "--target", target, "--output", "."]) == 0
    assert "docs/" in (folder / file).read_text()


def test_a_link_in_the_place_of_an_ignore_file_is_not_followed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder.parent, {"shared": "docs/\n"})
    (folder / ".gcloudignore").symlink_to("../shared")
    assert main(["build", "main:app", "--target", "google"]) == 2
    assert ".gcloudignore exists and was not written by unigate build" in capsys.readouterr().err
    assert main(["build", "main:app", "--target", "google", "--force"]) == 0
    assert not (folder / ".gcloudignore").is_symlink()
    assert (folder.parent / "shared").read_text() == "docs/\n"


def test_what_an_earlier_build_wrote_to_an_ignore_file_is_no_rule(folder: Path) -> None:
    write(folder, {"x.key": "", "a.txt": ""})
    setting(folder, exclude=["a.txt"])
    assert main(["build", "main:app", "--target", "google"]) == 0
    setting(folder, include=["x.key"])
    assert {"x.key", "a.txt"} <= copied(folder)
    assert main(["build", "main:app", "--target", "google"]) == 0
    assert {"x.key", "a.txt"} <= uploaded_by_git(folder)


def uploaded_by_git(folder: Path) -> set[str]:
    git(folder, "init", "--quiet")
    return uploaded(folder, ".gcloudignore")
