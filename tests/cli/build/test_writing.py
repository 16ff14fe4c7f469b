"""How a build writes its files: all or none, and only over what a build wrote."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tests.cli.projects import project, tree, write
from unigate.cli.build import writing
from unigate.cli.build.plan import GeneratedFile
from unigate.cli.main import main
from unigate.cli.project.record import RECORD

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


def test_a_second_build_replaces_what_the_first_wrote(folder: Path) -> None:
    writing.write({"a.txt": b"1", "sub/b.txt": b"1"}, folder / "out", "vercel")
    writing.write({"a.txt": b"2", "sub/b.txt": b"1"}, folder / "out", "vercel")
    assert (folder / "out/a.txt").read_bytes() == b"2"


def test_a_changed_file_is_kept(folder: Path) -> None:
    out = folder / "out"
    writing.write({"a.txt": b"1"}, out, "vercel")
    (out / "a.txt").write_bytes(b"mine")
    writing.write({"a.txt": b"2"}, out, "vercel")
    assert (out / "a.txt").read_bytes() == b"mine"
    writing.write({"a.txt": b"2"}, out, "vercel", force=True)
    assert (out / "a.txt").read_bytes() == b"2"


def test_an_existing_file_is_kept_unless_it_is_the_same(folder: Path) -> None:
    write(folder, {"out/a.txt": "1", "out/b.txt": ""})
    writing.write({"a.txt": b"1"}, folder / "out", "vercel")
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"b.txt": b"1"}, folder / "out", "vercel")
    (folder / "out/d.txt").symlink_to(folder / "main.py")
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"d.txt": b"1"}, folder / "out", "vercel")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("precious", ["a/precious", "a/deep/precious", "sub/b/precious", "a/"])
def test_a_folder_in_the_place_of_a_file_is_refused(
    folder: Path, precious: str, force: bool
) -> None:
    out = folder / "out"
    (out / precious).parent.mkdir(parents=True)
    if not precious.endswith("/"):
        write(out, {precious: "1"})
    else:
        (out / precious).mkdir()
    # A record that claims the folder makes no difference.
    write(out, {RECORD: json.dumps({"aws": {"a": "", "sub/b": "", "a/": "", precious: ""}})})
    before = tree(folder)
    with pytest.raises(click.ClickException, match="must be a file, and is a folder: move it"):
        writing.write({"a": b"2", "sub/b": b"2", "z": b"2"}, out, "aws", force)
    writing.write({"z": b"2"}, out, "aws", force)
    assert {**tree(folder), f"out/{RECORD}": b""} == {**before, "out/z": b"2", f"out/{RECORD}": b""}
    assert (out / precious).exists()


@pytest.mark.parametrize("target", ["aws", "azure", "google", "vercel"])
def test_no_target_replaces_a_folder_with_a_file(
    folder: Path, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    write(folder, {"requirements.txt": ""})
    options = ["build", "main:app", "--target", target, "--output", "out", "--force"]
    assert main(options) == 0
    for path in [*tree(folder / "out")]:
        (folder / "out" / path).unlink()
        write(folder / "out", {f"{path}/deep/precious": "1"})
        capfd.readouterr()
        assert main(options) == 2, path
        assert f"{path} must be a file, and is a folder" in capfd.readouterr().err
        (folder / "out" / path / "deep/precious").unlink()
        (folder / "out" / path / "deep").rmdir()
        (folder / "out" / path).rmdir()
        assert main(options) == 0


def test_a_file_that_is_no_longer_planned_is_removed(folder: Path) -> None:
    out = folder / "out"
    writing.write({"a": b"1", "api/x/b": b"1", "api/c": b"1", "d": b"1"}, out, "vercel")
    writing.write({"d": b"1", "e": b"1"}, out, "google")
    write(out, {"api/mine": ""})
    (out / "a").write_bytes(b"changed")
    writing.write({"f": b"1"}, out, "vercel")
    # "a" was changed since, and "d" is also in Google's build.
    assert set(tree(out)) == {"a", "d", "e", "f", "api/mine", ".unigate-build.json"}
    assert not (out / "api/x").exists()


def failing(work: Path) -> Path:
    (work / "half").write_text("half a file")
    raise RuntimeError("The disk is full.")


def interrupted(work: Path) -> Path:
    raise KeyboardInterrupt


@pytest.mark.parametrize("content", [failing, interrupted])
def test_a_file_that_cannot_be_generated_leaves_the_folder_unchanged(
    folder: Path, content: Callable[[Path], Path]
) -> None:
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        writing.write({"a": b"1", "b": GeneratedFile(content, ())}, folder / "out/deep", "aws")
    assert not (folder / "out").exists()
    writing.write({"a": b"1", "old": b"1"}, folder / "out", "aws")
    before = tree(folder / "out")
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        writing.write({"a": b"2", "b": GeneratedFile(content, ())}, folder / "out", "aws")
    assert tree(folder / "out") == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fails_at", range(1, 10))
def test_a_write_that_fails_leaves_the_folder_unchanged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, when: str
) -> None:
    out = folder / "out"
    writing.write({"a": b"1", "m/old": b"1", "z": b"1"}, out, "aws")
    before = tree(out)
    replace, calls = os.replace, []

    def failing_replace(source: Path, place: Path) -> None:
        calls.append(place)
        if len(calls) == fails_at and when == "before":
            raise OSError("The disk is full.")
        replace(source, place)
        if len(calls) == fails_at:  # as a signal does it
            raise OSError("The disk is full.")

    monkeypatch.setattr(os, "replace", failing_replace)
    with pytest.raises(OSError, match="full"):
        writing.write({"a": b"2", "new/deep/file": b"2", "z": b"2"}, out, "aws")
    assert tree(out) == before
    assert {entry.name for entry in out.iterdir()} == {"a", "m", "z", ".unigate-build.json"}


def test_a_killed_build_leaves_the_old_files_or_the_new_ones(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == []
    assert outcome["builds"] > 40
    assert outcome["recoveries"] > 60


def test_sigterm_leaves_the_folder_unchanged(folder: Path) -> None:
    def ended(work: Path) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        return work

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit, match="143"):
            writing.write({"a": b"1", "b": GeneratedFile(ended, ())}, folder / "out", "aws")
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not (folder / "out").exists()


@pytest.mark.parametrize("output", ["/proc/nowhere", "main.py/out"])
def test_a_folder_that_cannot_be_written_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    assert main(["build", "main:app", "--target", "azure", "--output", output]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_where_a_folder_should_be_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"out/api": "mine", "out/.python-version": "mine"})
    before = tree(folder)
    options = ["--target", "vercel", "--output", "out", "--force"]
    assert main(["build", "main:app", *options]) == 2
    assert capsys.readouterr().err.startswith(
        "unigate: Cannot write to out: [Errno 17] File exists"
    )
    assert tree(folder) == before


def test_an_error_in_the_notes_is_raised_before_files_are_written(folder: Path) -> None:
    write(folder, {"pyproject.toml": '[tool.unigate]\npython = "3"\n'})
    assert main(["build", "main:app", "--target", "google"]) == 2
    assert not (folder / "google_function.py").exists()


def test_a_damaged_record_is_refused(folder: Path) -> None:
    for text in ("{", "[]", '{"aws": 1}', '{"json": []}'):
        write(folder, {"out/.unigate-build.json": text})
        with pytest.raises(click.ClickException, match=r"is damaged\. Restore it; or"):
            writing.write({"a": b"1"}, folder / "out", "aws")


# Nothing outside the output folder


@pytest.fixture
def aside(folder: Path) -> Iterator[Path]:
    """A folder beside the project, which no build changes."""
    write(folder.parent, {"aside/precious": "1", "aside/api/precious": "1"})
    (folder.parent / "aside/empty").mkdir()
    yield folder.parent / "aside"
    assert tree(folder.parent / "aside") == {"precious": b"1", "api/precious": b"1"}
    assert (folder.parent / "aside/empty").is_dir()


def record(out: Path, *paths: str) -> None:
    """Write a record as if a build had written these files with the content "1"."""
    digest = hashlib.sha256(b"1").hexdigest()
    write(out, {".unigate-build.json": json.dumps({"aws": dict.fromkeys(paths, digest)})})


OUTSIDE = [
    "../aside/precious", "deep/../../aside/precious", "..", ".", "", "/", "{aside}/precious",
    "{aside}/empty/", "linked/precious", "linked/api/precious", "./linked/precious",
    "real/../linked", "linked", "./file", "real//x", "real/", "//file",
    "\0", "real/\0", "loop/x", "file/x", "aside/precious",
]  # fmt: skip


def links(out: Path, aside: Path) -> None:
    (out / "real").mkdir(parents=True)
    (out / "linked").symlink_to(aside)
    (out / "loop").symlink_to("loop")
    (out / "aside").symlink_to("../../aside")
    write(out, {"file": "mine"})


@pytest.mark.parametrize("path", OUTSIDE)
def test_what_the_record_names_outside_of_the_folder_is_not_touched(
    folder: Path, aside: Path, path: str
) -> None:
    out = folder / "out"
    links(out, aside)
    record(out, path.format(aside=aside), "real/stale")
    write(out, {"real/stale": "1"})
    writing.write({"a": b"2"}, out, "aws")
    assert (out / "a").read_bytes() == b"2"
    assert not (out / "real").exists()
    assert (out / "linked").is_symlink()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("path", [path for path in OUTSIDE if path not in ("linked", "file/x")])
def test_nothing_is_written_outside_of_the_folder(
    folder: Path, aside: Path, path: str, force: bool
) -> None:
    out = folder / "out"
    links(out, aside)
    path = path.format(aside=aside)
    record(out, path)
    with pytest.raises(click.ClickException, match="must be below"):
        writing.write({"a": b"2", path: b"2"}, out, "aws", force)
    assert not (out / "a").exists()


def test_a_link_is_replaced_and_not_followed(folder: Path, aside: Path) -> None:
    out = folder / "out"
    links(out, aside)
    (out / "precious").symlink_to(aside / "precious")
    record(out, "precious", "linked")
    writing.write({"precious": b"2", "linked": b"2", "aside": b"2"}, out, "aws", force=True)
    assert not any((out / name).is_symlink() for name in ("precious", "linked", "aside"))


def test_no_link_within_the_folder_is_followed_either(folder: Path) -> None:
    """Two paths of a build would otherwise be one file."""
    out = folder / "out"
    write(out, {"functions/a": "1"})
    (out / "api").symlink_to("functions")
    with pytest.raises(click.ClickException, match="must be below"):
        writing.write({"api/b": b"1"}, out, "aws")
    record(out, "api/a", "./functions/a", "functions//a")
    writing.write({"functions/b": b"1"}, out, "aws")
    assert set(tree(out / "functions")) == {"a", "b"}
    assert (out / "api").is_symlink()


@pytest.mark.parametrize("target", ["aws", "azure", "google", "vercel"])
def test_no_target_writes_through_a_link_that_leaves_the_folder(
    folder: Path, aside: Path, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    write(folder, {"requirements.txt": "", "inner/x.txt": ""})
    (folder / "out").mkdir()
    for name in ("api", "public", "inner"):
        (folder / "out" / name).symlink_to(aside)
    code = main(["build", "main:app", "--target", target, "--output", "out", "--force"])
    err = capfd.readouterr().err
    assert code == (0 if target == "aws" else 2), err
    assert ("must be below out, " in err) == (target != "aws")


@pytest.mark.parametrize("options", [[], ["--force"], ["--dry-run"]])
@pytest.mark.parametrize("link", ["build/aws", "build"])
@pytest.mark.parametrize("leads_to", ["{aside}", "{aside}/new", "{outside}/aside", "hop", "hop/x"])
def test_the_default_output_is_in_the_project(
    folder: Path,
    aside: Path,
    capfd: pytest.CaptureFixture[str],
    link: str,
    leads_to: str,
    options: list[str],
) -> None:
    write(folder, {"requirements.txt": ""})
    place = folder / link
    place.parent.mkdir(exist_ok=True)
    (place.parent / "hop").symlink_to(aside)
    outside = "../.." if link == "build/aws" else ".."
    place.symlink_to(leads_to.format(aside=aside, outside=outside))
    assert main(["build", "main:app", "--target", "aws", *options]) == 2
    err = capfd.readouterr().err
    assert "must be in the project" in err
    assert "--output" in err


def test_the_default_output_may_be_a_link_within_the_project(folder: Path) -> None:
    write(folder, {"requirements.txt": "", "made/x": "1", "build/x": "1"})
    (folder / "build/aws").symlink_to("../made")
    assert main(["build", "main:app", "--target", "aws"]) == 0
    assert "template.yaml" in tree(folder / "made")


def test_an_explicit_output_may_be_a_link(folder: Path) -> None:
    write(folder, {"requirements.txt": "", "build/x": "1"})
    (folder.parent / "elsewhere").mkdir()
    (folder / "build/aws").symlink_to("../../elsewhere")
    assert main(["build", "main:app", "--target", "aws", "--output", "build/aws"]) == 0
    assert "template.yaml" in tree(folder.parent / "elsewhere")


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--output", "build/aws"]])
def test_an_output_that_leads_to_itself_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str], options: list[str]
) -> None:
    write(folder, {"requirements.txt": "", "build/x": "1"})
    (folder / "build/aws").symlink_to("aws")
    assert main(["build", "main:app", "--target", "aws", *options]) == 2
    err = capfd.readouterr().err
    assert "build/aws" in err
    assert "Traceback" not in err


JOURNALS = [
    "[]", "{", "", "null", '{"replaced": 1, "added": [], "folders": []}', "[" * 100_000, "{}",
    '{"replaced": [], "added": [], "folders": [], "more": []}',
    "[1]", "1", "1.5", "true", '"text"', "[[]]", '{"a": 1}', "1" * 5000, "{}{}", "\ufeff[]",
    '{"replaced": "kept", "added": [], "folders": []}',
    '{"replaced": {"kept": 1}, "added": [], "folders": []}',
    '{"replaced": [1], "added": [], "folders": []}',
    '{"replaced": [], "added": [null], "folders": []}',
    '{"replaced": [], "added": [], "folders": [["kept"]]}',
    '{"replaced": [], "added": [], "folders": null}',
    '{"replaced": [], "added": ["\\ud800"], "folders": []}',
    '{"replaced": [], "added": []}',
]  # fmt: skip


def leave_stage(out: Path, journal: str) -> Path:
    """Make the stage of a killed build, with every file that a journal could name."""
    stage = out / ".unigate-stage-x"
    write(stage, {"journal.json": journal, "before/kept": "1", "after/kept": "1"})
    return stage


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_damaged_journal_is_refused(folder: Path, journal: str) -> None:
    leave_stage(folder / "out", journal)
    before = tree(folder)
    with pytest.raises(click.ClickException, match=r"journal\.json is damaged: restore "):
        writing.write({"a": b"1"}, folder / "out", "aws")
    assert tree(folder) == before


@pytest.mark.parametrize("kind", ["replaced", "added", "folders"])
@pytest.mark.parametrize("path", [path for path in OUTSIDE if path not in ("linked", "file/x")])
def test_a_journal_cannot_name_what_is_outside(
    folder: Path, aside: Path, kind: str, path: str
) -> None:
    out = folder / "out"
    links(out, aside)
    lists = {"replaced": [], "added": [], "folders": [], kind: [path.format(aside=aside)]}
    leave_stage(out, json.dumps(lists))
    with pytest.raises(click.ClickException, match="is damaged"):
        writing.recover_output(out)


@pytest.mark.parametrize("link", ["before", "after", "before/api", "after/api", ""])
def test_a_stage_with_links_takes_nothing_from_outside(
    folder: Path, aside: Path, link: str
) -> None:
    out = folder / "out"
    stage = out / ".unigate-stage-x"
    journal = {"replaced": ["api/precious"], "added": [], "folders": []}
    if link:
        write(stage, {"journal.json": json.dumps(journal)})
        (stage / link).parent.mkdir(exist_ok=True)
        (stage / link).symlink_to(aside / "api" if "/" in link else aside)
        with pytest.raises(click.ClickException, match="is damaged"):
            writing.recover_output(out)
    else:
        write(aside.parent, {"stage/journal.json": json.dumps(journal)})
        out.mkdir()
        stage.symlink_to(aside.parent / "stage")
        writing.recover_output(out)
        assert (aside.parent / "stage/journal.json").exists()


def test_a_file_that_was_written_after_a_kill_is_kept(folder: Path) -> None:
    out = folder / "out"
    leave_stage(out, '{"replaced": [], "added": ["kept"], "folders": ["deep"]}')
    write(out, {"kept": "mine", "deep/kept": "mine"})
    writing.recover_output(out)
    assert tree(out) == {"kept": b"mine", "deep/kept": b"mine"}


def test_other_hidden_folders_are_not_taken_for_stages(folder: Path) -> None:
    write(folder / "out", {".unigate-x/mine": "1", ".unigate-stage/mine": "1"})
    write(folder / "out", {".unigate-stage-mine": "1"})
    before = tree(folder / "out")
    writing.write({}, folder / "out", "aws")
    assert tree(folder / "out").items() > before.items()


# Builds at the same time, and disks that are full

BUILD = """
import sys
from pathlib import Path

from unigate.cli.build import writing
from unigate.cli.build.plan import GeneratedFile

name, output, door = sys.argv[1:]


def make(folder):
    if door:
        Path(door).read_bytes()  # waits until the test opens this pipe
    (folder / "made").write_text(name)
    return folder / "made"


files = {f"{number}/file": name.encode() for number in range(20)}
writing.write({**files, "made": GeneratedFile(make, ())}, Path(output), "aws", force=True)
"""


def start(name: str, output: Path, door: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, name, str(output), str(door or "")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_builds_at_the_same_time_do_not_mix_their_files(folder: Path) -> None:
    out = folder / "out/deep"
    builds = [start(str(number), out) for number in range(5)]
    for each in builds:
        _, err = each.communicate(timeout=60)
        assert each.returncode == 0, err
    written = tree(out)
    assert len(written) == 22
    assert len({data for path, data in written.items() if path != ".unigate-build.json"}) == 1


def test_a_build_waits_for_another_one(folder: Path) -> None:
    out, door = folder / "out", folder.parent / "door"
    os.mkfifo(door)
    first = start("first", out, door)
    opened = os.open(door, os.O_WRONLY)  # returns when the first build reads, under the lock
    second = start("second", out)
    assert second.stderr is not None
    line = second.stderr.readline()
    assert line == f"Another build writes to {out}: waiting until it has ended.\n"
    assert not (out / "made").exists()
    os.close(opened)
    for each in (first, second):
        _, err = each.communicate(timeout=60)
        assert each.returncode == 0, err
    assert set(tree(out).values()) >= {b"second"}
    assert b"first" not in tree(out).values()


def test_a_build_waits_for_no_killed_one(folder: Path) -> None:
    out, door = folder / "out", folder.parent / "door"
    os.mkfifo(door)
    first = start("first", out, door)
    opened = os.open(door, os.O_WRONLY)
    first.kill()
    first.communicate(timeout=60)
    os.close(opened)
    writing.write({"made": b"second"}, out, "aws")
    assert set(tree(out)) == {"made", ".unigate-build.json"}


FULL = """
import resource
import sys

from unigate.cli.main import main

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("target", ["aws", "azure", "google", "vercel"])
def test_a_disk_that_is_full_leaves_the_folder_unchanged(folder: Path, target: str) -> None:
    write(folder, {"requirements.txt": ""})
    options = ["build", "main:app", "--target", target, "--output", "out"]
    assert main(options) == 0
    before = tree(folder / "out")
    (folder / "big.bin").write_bytes(os.urandom(200_000))
    # The measurement of coverage would fail to write its own file, too.
    env = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", FULL, *options, "--force"], cwd=folder,
        env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "unigate: Cannot write to out: [Errno 27] File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(folder / "out") == before
    assert not list((folder / "out").glob(".unigate-stage-*"))


TMPFS = """
mount -t tmpfs -o size=400k tmpfs out || exit 77
python="$1"; shift
"$python" -m unigate build "$@" || exit 78
find out -type f -exec sha256sum {} + | sort >../before
head -c 500000 /dev/urandom >big.bin
"$python" -m unigate build "$@" --force
echo "code $?"
find out -type f -exec sha256sum {} + | sort | diff ../before - && ls -A out
"""


@pytest.mark.parametrize("target", ["aws", "azure", "google", "vercel"])
def test_a_file_system_without_space_keeps_the_old_files(folder: Path, target: str) -> None:
    write(folder, {"requirements.txt": "", "out/x": ""})
    (folder / "out/x").unlink()
    options = ["main:app", "--target", target, "--output", "out"]
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    done = subprocess.run(
        [*unshare, "sh", "-c", TMPFS, "sh", sys.executable, *options], cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode in (1, 77) and "permitted" in done.stderr:
        pytest.skip("a file system can be mounted only with permission from the kernel")
    assert "code 2\n" in done.stdout, done.stderr
    assert "[Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    files = done.stdout.partition("code 2\n")[2].split()
    assert ".unigate-build.json" in files, done.stdout
    assert not any(name.startswith(".unigate-stage-") for name in files)


# Waits where a build measures the start of the function, as long as that build is there.
WAITING = """
import os, time

if "/.unigate-stage-" in os.getcwd():
    parent = os.getppid()
    open(os.environ["DOOR"], "w").close()
    while os.getppid() == parent:
        time.sleep(0.02)


def app(environ, start_response):
    start_response("200 OK", [])
    return []
"""


def test_a_build_that_is_killed_at_the_start_of_the_function_leaves_the_old_files(
    folder: Path,
) -> None:
    write(folder, {"requirements.txt": "", "pyproject.toml": "[tool.unigate]\n"})
    options = ["build", "main:app", "--target", "aws", "--output", "out"]
    assert main(options) == 0
    before = tree(folder / "out")
    write(folder, {"main.py": WAITING})
    door = folder.parent / "door"
    os.mkfifo(door)
    process = subprocess.Popen(
        [sys.executable, "-m", "unigate", *options], cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), "DOOR": str(door)},
    )  # fmt: skip
    door.read_bytes()  # returns once the application is imported
    process.kill()
    process.wait(60)
    assert tree(folder / "out").items() >= before.items()
    assert list((folder / "out").glob(".unigate-stage-*/*/task/main.py"))
    write(folder, {"main.py": WAITING.replace("if ", "if False and ")})
    assert main(options) == 0
    assert tree(folder / "out").keys() == before.keys()


def test_a_build_recovers_before_it_reads_the_project(folder: Path) -> None:
    """The files that a killed build has moved away may be the application's."""
    journal = {"replaced": ["main.py"], "added": ["google_function.py"], "folders": []}
    stage = leave_stage(folder, json.dumps(journal))
    os.replace(folder / "main.py", stage / "before/main.py")
    write(folder, {"main.py": "half a file (", "google_function.py": "half a file"})
    options = ["build", "main:app", "--target", "google"]
    before = tree(folder)
    assert main([*options, "--dry-run"]) == 2
    assert tree(folder) == before
    assert main(options) == 0
    assert not stage.exists()
    assert b"unigate.wrap" in (folder / "main.py").read_bytes()
    assert b"functions_framework" in (folder / "google_function.py").read_bytes()


@pytest.mark.parametrize("output", ["..", "/", "../../.."])
@pytest.mark.parametrize("target", ["aws", "vercel", "container"])
def test_an_output_folder_around_the_project_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str, target: str
) -> None:
    before = tree(folder.parent)
    assert main(["build", "main:app", "--target", target, "--output", output, "--force"]) == 2
    assert "--output must be the project's folder, a folder in it, or one beside it, got " in (
        capsys.readouterr().err
    )
    assert tree(folder.parent) == before


def test_an_output_folder_beside_the_project_is_none_around_it(folder: Path) -> None:
    assert main(["build", "main:app", "--target", "google", "--output", "../project-2"]) == 0
    assert (folder.parent / "project-2/main.py").is_file()
