"""Files of a build that the user has changed: JSON is merged, others are left with a diff."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli.projects import project, write
from unigate.cli.build import writing
from unigate.cli.build.edits import merged_json
from unigate.cli.build.plan import GeneratedFile
from unigate.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


def test_the_crons_and_headers_of_a_vercel_json_stay(folder: Path) -> None:
    mine = {
        "crons": [{"path": "/tidy", "schedule": "0 5 * * *"}],
        "headers": [{"source": "/(.*)", "headers": [{"key": "x", "value": "y"}]}],
        "rewrites": [{"source": "/old", "destination": "/new"}],
    }
    write(folder, {"vercel.json": json.dumps(mine), ".python-version": "3.12\n"})
    for _ in range(2):
        assert main(["build", "main:app", "--target", "vercel"]) == 0
        made = json.loads((folder / "vercel.json").read_text())
        assert made["crons"] == mine["crons"]
        assert made["headers"] == mine["headers"]
        assert made["framework"] is None
        assert made["rewrites"] == [
            {"source": "/old", "destination": "/new"},
            {"source": "/(.*)", "destination": "/api/index"},
        ]


@pytest.mark.parametrize(
    ("theirs", "ours", "merged"),
    [
        ('{"a": 1, "b": 1}', '{"b": 2}', {"a": 1, "b": 2}),
        ('{"a": {"b": 1, "c": 1}}', '{"a": {"b": 2}}', {"a": {"b": 2, "c": 1}}),
        ('{"a": [{"b": 1}, {"b": 2}]}', '{"a": [{"b": 2}, {"b": 3}]}',
         {"a": [{"b": 1}, {"b": 2}, {"b": 3}]}),
        ('{"a": ["x86_64"]}', '{"a": ["arm64"]}', {"a": ["arm64"]}),
        ('{"a": 1}', '{"a": {"b": 1}}', {"a": {"b": 1}}),
    ],
)  # fmt: skip
def test_keys_of_the_build_win_and_others_stay(
    tmp_path: Path, theirs: str, ours: str, merged: object
) -> None:
    file = tmp_path / "a.json"
    file.write_text(theirs)
    made = merged_json(file, ours.encode())
    assert json.loads(made) == merged
    file.write_bytes(made)
    assert merged_json(file, ours.encode()) == made


def test_the_layout_of_a_file_that_has_all_keys_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'{ "b":1,\n"a": 2 }')
    assert merged_json(file, b'{"a": 2}') == file.read_bytes()


@pytest.mark.parametrize(
    "broken", [b"{", b"// a comment\n{}", b"[]", b'{"a": 1,}', b"\xff", b"[" * 100_000]
)
def test_a_json_file_that_cannot_be_merged_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], broken: bytes
) -> None:
    write(folder, {".python-version": "3.12\n"})
    command = ["build", "main:app", "--target", "vercel"]
    assert main(command) == 0
    for path in ("vercel.json", "sub/vercel.json"):  # in place, and copied to another folder
        (folder / "vercel.json").write_bytes(broken)
        output = [] if path == "vercel.json" else ["--output", "sub"]
        assert main([*command, *output]) == 2
        message = capsys.readouterr().err
        assert "vercel.json must be a JSON object to be merged with the build's, got " in message
        assert (folder / "vercel.json").read_bytes() == broken
    assert main([*command, "--force"]) == 0
    assert json.loads((folder / "vercel.json").read_text())["framework"] is None


@pytest.mark.parametrize("key", ["builds", "routes"])
def test_what_vercel_refuses_beside_the_builds_rewrites_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    mine = json.dumps({key: [{"src": "/(.*)", "dest": "/api/index.py"}]})
    write(folder, {"vercel.json": mine, ".python-version": "3.12\n"})
    for output in ([], ["--output", "sub"]):
        assert main(["build", "main:app", "--target", "vercel", *output]) == 2
        assert f'vercel.json must not have "{key}"' in capsys.readouterr().err
    assert (folder / "vercel.json").read_text() == mine


@pytest.mark.parametrize(
    ("named", "setting", "message"),
    [
        ("nextjs", None, 'must have "framework": null, as tool.unigate.vercel.framework says, got '
         '"nextjs": remove it, or build in a folder of the application\'s own'),
        ("flask", None, 'got "flask": write framework = "flask" to [tool.unigate.vercel], or remo'),
        ("nextjs", "flask", 'must have "framework": "flask", as tool'),
        ("flask", "flask", None),
        (None, "flask", None),
    ],
)  # fmt: skip
def test_another_framework_in_vercel_json_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], named: str | None, setting: str | None,
    message: str | None,
) -> None:  # fmt: skip
    lines = f'[tool.unigate.vercel]\nframework = "{setting}"\n' if setting else ""
    lines += '[tool.vercel]\nentrypoint = "api.index:app"\n[project]\ndependencies = []\n'
    mine = json.dumps({"framework": named})
    write(folder, {"vercel.json": mine, "pyproject.toml": lines})
    for output in ([], ["--output", "sub"]):
        status = main(["build", "main:app", "--target", "vercel", *output])
        assert status == (2 if message else 0)
        assert (message or "") in capsys.readouterr().err
    if message:
        assert (folder / "vercel.json").read_text() == mine


def test_a_framework_that_a_build_wrote_follows_its_setting(folder: Path) -> None:
    end = '[tool.vercel]\nentrypoint = "api.index:app"\n[project]\ndependencies = []\n'
    for setting in ("flask", "fastapi", None):
        lines = f'[tool.unigate.vercel]\nframework = "{setting}"\n' if setting else ""
        write(folder, {"pyproject.toml": lines + end})
        assert main(["build", "main:app", "--target", "vercel", "--no-smoke"]) == 0
        made = json.loads((folder / "vercel.json").read_text())
        assert made["framework"] == setting
        write(folder, {"vercel.json": json.dumps({**made, "regions": ["fra1"]})})


@pytest.mark.parametrize(
    ("rewrite", "noted"),
    [
        ({"source": "/(.*)", "destination": "/index.html"}, True),
        ({"source": "/:path*", "destination": "https://example.com/:path*"}, True),
        ({"source": "/(.*)", "destination": "/api/index.py"}, False),
        ({"source": "/old/(.*)", "destination": "/index.html"}, False),
        (
            {"source": "/(.*)", "destination": "/a", "has": [{"type": "host", "value": "a.com"}]},
            False,
        ),
    ],
)
def test_a_rewrite_that_hides_the_application_is_noted(
    folder: Path, capsys: pytest.CaptureFixture[str], rewrite: dict[str, Any], noted: bool
) -> None:
    write(folder, {"vercel.json": json.dumps({"rewrites": [rewrite]})})
    assert main(["build", "main:app", "--target", "vercel", "--no-smoke"]) == 0
    out = capsys.readouterr().out
    assert ("so that no request reaches the application" in out) == noted


def test_a_changed_text_is_left_with_a_diff(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    writing.write({"main.tf": b"one\n", "b": b"1"}, out, "aws")
    (out / "main.tf").write_text("one\nmine\n")
    writing.write({"main.tf": b"one\n", "b": b"1"}, out, "aws")
    assert capsys.readouterr().err == f"{out}/main.tf was changed: left as it is.\n"
    for _ in range(2):
        writing.write({"main.tf": b"two\n", "b": b"2"}, out, "aws")
        assert (out / "main.tf").read_text() == "one\nmine\n"
        assert (out / "b").read_bytes() == b"2"
        err = capsys.readouterr().err
        assert "main.tf was changed: left as it is. To take the build's, use --force:" in err
        assert "\n-one\n-mine\n+two\n" in err
    writing.write({"main.tf": b"two\n"}, out, "aws", force=True)
    assert (out / "main.tf").read_text() == "two\n"
    writing.write({"main.tf": b"three\n"}, out, "aws")  # the build's again
    assert (out / "main.tf").read_text() == "three\n"


def test_a_changed_text_is_not_removed_when_the_build_no_longer_has_it(folder: Path) -> None:
    out = folder / "out"
    writing.write({"a.txt": b"1"}, out, "aws")
    (out / "a.txt").write_bytes(b"mine")
    writing.write({"a.txt": b"2"}, out, "aws")
    writing.write({"b.txt": b"2"}, out, "aws")
    assert (out / "a.txt").read_bytes() == b"mine"


def test_a_text_that_no_build_wrote_is_refused_with_a_diff(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"out/Dockerfile": "FROM mine\n"})
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"Dockerfile": b"FROM ours\n", "b": b"1"}, folder / "out", "aws")
    assert "\n-FROM mine\n+FROM ours\n" in capsys.readouterr().err
    assert not (folder / "out/b").exists()


def test_a_changed_file_that_is_no_text_is_refused(folder: Path) -> None:
    def make(work: Path) -> Path:
        (work / "zip").write_bytes(b"PK")
        return work / "zip"

    files = {"function.zip": GeneratedFile(make, [])}
    writing.write(files, folder / "out", "aws")
    (folder / "out/function.zip").write_bytes(b"mine")
    with pytest.raises(click.ClickException, match="changed since it was written"):
        writing.write(files, folder / "out", "aws")


def test_a_link_is_refused(folder: Path) -> None:
    write(folder, {"mine.json": '{"a": 1}', "out/b": ""})
    (folder / "out/host.json").symlink_to("../mine.json")
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"host.json": b"{}\n"}, folder / "out", "azure")


@pytest.mark.parametrize(
    ("theirs", "last", "ours", "merged"),
    [
        ('{"a": 1, "b": 1}', {"a": 1}, "{}", {"b": 1}),
        ('{"a": 2, "b": 1}', {"a": 1}, "{}", {"a": 2, "b": 1}),
        ('{"a": {"b": 1, "c": 1}}', {"a": {"b": 1}}, "{}", {"a": {"c": 1}}),
        ('{"a": {"b": 2, "c": 1}}', {"a": {"b": 1, "c": 1}}, '{"a": {}}', {"a": {"b": 2}}),
        ('{"a": [{"b": 1}, {"b": 2}]}', {"a": [{"b": 1}]}, '{"a": [{"b": 3}]}',
         {"a": [{"b": 2}, {"b": 3}]}),
        ('{"a": [{"b": 1}, {"b": 2}]}', {"a": [{"b": 1}]}, "{}", {"a": [{"b": 2}]}),
        ('{"a": 1, "b": 1}', {"a": 1}, '{"a": 2}', {"a": 2, "b": 1}),
    ],
)  # fmt: skip
def test_what_only_the_last_build_wrote_is_removed(
    tmp_path: Path, theirs: str, last: object, ours: str, merged: object
) -> None:
    file = tmp_path / "a.json"
    file.write_text(theirs)
    assert json.loads(merged_json(file, ours.encode(), last)) == merged


def test_settings_that_are_removed_leave_a_merged_vercel_json(folder: Path) -> None:
    mine = {"regions": ["fra1"], "functions": {"api/other.py": {"maxDuration": 5}}}
    write(folder, {"vercel.json": json.dumps(mine), ".python-version": "3.12\n"})
    command = ["build", "main:app", "--target", "vercel"]
    assert main(command) == 0
    without = json.loads((folder / "vercel.json").read_text())
    limits = 'memory = 1024\ntimeout = 60\nexclude = ["notes/*"]\n'
    project_table = "[project]\ndependencies = []\n[tool.unigate]\n"
    write(folder, {"pyproject.toml": project_table + limits})
    assert main([*command, "--output", "sub"]) == 0  # which has the settings' keys as well
    assert main(command) == 0
    made = json.loads((folder / "vercel.json").read_text())
    assert made["functions"]["api/index.py"] == {
        "memory": 1024, "maxDuration": 60, "excludeFiles": "notes/*"
    }  # fmt: skip
    write(folder, {"pyproject.toml": project_table})
    for output in ("sub", "."):
        assert main([*command, "--output", output]) == 0
        assert json.loads((folder / output / "vercel.json").read_text()) == without


def test_a_limit_that_was_changed_in_vercel_json_stays(folder: Path) -> None:
    command = ["build", "main:app", "--target", "vercel"]
    table = "[project]\ndependencies = []\n[tool.unigate]\n"
    write(folder, {"pyproject.toml": f"{table}memory = 1024\ntimeout = 60\n"})
    assert main(command) == 0
    made = json.loads((folder / "vercel.json").read_text())
    made["functions"]["api/index.py"]["maxDuration"] = 120
    write(folder, {"vercel.json": json.dumps(made), "pyproject.toml": table})
    assert main(command) == 0
    made = json.loads((folder / "vercel.json").read_text())
    assert made["functions"] == {"api/index.py": {"maxDuration": 120}}
