"""How a build writes its files: all or none, and only over what a build wrote."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tests.cli.projects import project, tree, write
from unigate.cli.build import writing
from unigate.cli.build.plan import GeneratedFile
from unigate.cli.main import main


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
    with pytest.raises(click.ClickException, match="changed since it was written"):
        writing.write({"a.txt": b"2"}, out, "vercel")
    assert (out / "a.txt").read_bytes() == b"mine"
    writing.write({"a.txt": b"2"}, out, "vercel", force=True)
    assert (out / "a.txt").read_bytes() == b"2"


def test_an_existing_file_is_kept_unless_it_is_the_same(folder: Path) -> None:
    write(folder, {"out/a.txt": "1", "out/b.txt/c": ""})
    writing.write({"a.txt": b"1"}, folder / "out", "vercel")
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"b.txt": b"1"}, folder / "out", "vercel")
    (folder / "out/d.txt").symlink_to(folder / "main.py")
    with pytest.raises(click.ClickException, match="not written by unigate build"):
        writing.write({"d.txt": b"1"}, folder / "out", "vercel")


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
@pytest.mark.parametrize("fails_at", range(1, 9))
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
    assert capsys.readouterr().err.startswith("unigate: Cannot write to out: [Errno 20] Not a dir")
    assert tree(folder) == before


def test_an_error_in_the_notes_is_raised_before_files_are_written(folder: Path) -> None:
    write(folder, {"pyproject.toml": '[tool.unigate]\npython = "3"\n'})
    assert main(["build", "main:app", "--target", "google"]) == 2
    assert not (folder / "google_function.py").exists()


def test_a_damaged_record_is_refused(folder: Path) -> None:
    for text in ("{", "[]", '{"aws": 1}'):
        write(folder, {"out/.unigate-build.json": text})
        with pytest.raises(click.ClickException, match="is damaged: remove it"):
            writing.write({"a": b"1"}, folder / "out", "aws")
