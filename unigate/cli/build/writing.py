"""Write the files of a build: all of them, or none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import click

from unigate.cli.project.files import RECORD

from .plan import FileContent


def write(
    files: Mapping[str, FileContent], output: Path, platform: str, force: bool = False
) -> None:
    """Write files below a folder.

    A file that an earlier build for the same platform wrote there, and this one does not, is
    removed. If anything fails, the folder is left unchanged.

    Args:
        files: The contents by their path.
        force: Replace files that no build wrote, or that were changed since.

    Raises:
        click.ClickException: There is such a file, without `force`.
    """
    with _exit_on_sigterm():
        _write(files, output, platform, force)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, whose default action would skip the clean-up."""
    before = signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(files: Mapping[str, FileContent], output: Path, platform: str, force: bool) -> None:
    record = read_record(output)
    if not force:
        recorded = {path: digest for built in record.values() for path, digest in built.items()}
        _refuse_to_overwrite(files, output, recorded)
    created = _missing_folders(output)
    output.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".unigate-", dir=output))
    try:
        staged = _stage(files, stage)
        written = {path: digest_of(file) or "" for path, file in sorted(staged.items())}
        earlier = record.get(platform, {})
        record[platform] = written
        staged[RECORD] = stage / "record"
        staged[RECORD].write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        kept = {path for built in record.values() for path in built}
        stale = {
            path
            for path, digest in earlier.items()
            if path not in kept and digest_of(output / path) == digest
        }
        _swap(staged, stale, output, stage / "before")
    except BaseException:
        shutil.rmtree(stage)
        for folder in created:
            with suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(stage)


def _stage(files: Mapping[str, FileContent], stage: Path) -> dict[str, Path]:
    """Make every file in a temporary folder, and return their places by path."""
    staged: dict[str, Path] = {}
    for path, content in files.items():
        file = stage / "after" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, Path):
            shutil.copy(content, file)
        else:
            work = Path(tempfile.mkdtemp(dir=stage))
            os.replace(content.generate(work), file)
            shutil.rmtree(work)
        staged[path] = file
    return staged


def _swap(staged: Mapping[str, Path], stale: set[str], output: Path, before: Path) -> None:
    """Move staged files into place and stale ones away; undo it if anything fails.

    The undo of a step is noted before the step, because a signal may arrive between the two.
    """
    undo: list[Callable[[], object]] = []
    try:
        for path in sorted({*staged, *stale}):
            place = output / path
            if place.exists() or place.is_symlink():
                kept = before / path
                kept.parent.mkdir(parents=True, exist_ok=True)
                undo.append(partial(os.replace, kept, place))
                os.replace(place, kept)
            if path in staged:
                for folder in reversed(_missing_folders(place.parent)):
                    undo.append(folder.rmdir)
                    folder.mkdir()
                undo.append(place.unlink)
                os.replace(staged[path], place)
    except BaseException:
        for step in reversed(undo):
            with suppress(FileNotFoundError, NotADirectoryError):  # the step was not taken
                step()
        raise
    for path in stale:
        for folder in (output / path).relative_to(output).parents:
            with suppress(OSError):  # not empty
                (output / folder).rmdir()


def _missing_folders(folder: Path) -> list[Path]:
    """Return the folder and those of its parents that do not exist, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _refuse_to_overwrite(
    files: Mapping[str, FileContent], output: Path, recorded: Mapping[str, str]
) -> None:
    for path, content in sorted(files.items()):
        digest = digest_of(output / path)
        if digest is None or digest == recorded.get(path):
            continue
        if isinstance(content, bytes) and digest == hashlib.sha256(content).hexdigest():
            continue
        origin = (
            "changed since it was written" if path in recorded else "not written by unigate build"
        )
        message = f"{output / path} exists and was {origin}: use --force to replace it."
        raise click.ClickException(message)


def read_record(output: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the files that earlier builds wrote, by platform and path."""
    try:
        record = json.loads((output / RECORD).read_text("utf-8"))
        return {platform: dict(files.items()) for platform, files in record.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        message = f"{output / RECORD} is damaged: remove it."
        raise click.ClickException(message) from error


def digest_of(file: Path) -> str | None:
    """Return a file's SHA-256 in hexadecimal, "" for another kind of file, None without one."""
    if not file.is_file():
        return "" if file.exists() else None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
