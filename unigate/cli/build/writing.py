"""Write the files of a build: all of them or none, and nothing outside the output folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from unigate.cli.project.record import (
    RECORD,
    digest_of,
    read_json_written,
    read_record,
    record_text,
)

from .edits import Settled, settle
from .lock import lock
from .plan import ExtendedFile, FileContent
from .swap import Stage, is_below, needs_recovery, recover


def write(
    files: Mapping[str, FileContent], output: Path, platform: str, force: bool = False
) -> int:
    """Write files below a folder, and return how many.

    A file that an earlier build for the same platform wrote there, and this one does not, is
    removed. One that was changed since is merged, if it is JSON, or left (`edits.settle`). If
    anything fails, the folder is left unchanged.

    Args:
        files: The contents by their path.
        force: Replace files that no build wrote, or that were changed since; never a folder.

    Raises:
        click.ClickException: There is another file that no build wrote, without `force`, or a
            folder.
    """
    created = _missing_folders(output)
    with _exit_on_sigterm(), lock(output):
        try:
            recover(output)
            return _write(files, output, platform, force)
        except BaseException:
            for folder in created:
                with suppress(OSError):
                    folder.rmdir()
            raise


def recover_output(output: Path) -> None:
    """Undo what builds that were killed have changed in an output folder."""
    if needs_recovery(output):
        with lock(output):
            recover(output)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, whose default action would skip the clean-up."""
    before = signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(files: Mapping[str, FileContent], output: Path, platform: str, force: bool) -> int:
    _refuse_to_leave(files, output)
    _refuse_folders(files, output)
    record = read_record(output)
    made = read_json_written(output) | _json_of(files)
    settled = Settled(files, {})
    if not force:
        recorded = {path: digest for built in record.values() for path, digest in built.items()}
        settled = settle(files, output, _changed(files, output, recorded))
        files = settled.files
    stage = Stage.new(output)
    try:
        for path, content in files.items():
            _make(content, stage.after / path, stage.folder)
        earlier = record.get(platform, {})
        written = {
            # The user's lines in an extended file are never ours to remove.
            path: "" if isinstance(content, ExtendedFile) else digest_of(stage.after / path) or ""
            for path, content in files.items()
        }
        record[platform] = dict(sorted({**written, **settled.digests}.items()))
        (stage.after / RECORD).write_text(record_text(record, made), "utf-8")
        kept = {path for built in record.values() for path in built}
        stale = {
            path
            for path, digest in earlier.items()
            # The record may have been changed: only a file below the folder can be ours.
            if path not in kept and digest and is_below(output, path)
            if digest_of(output / path) == digest
        }
        stage.swap({*files, RECORD}, stale)
    except BaseException:
        stage.undo()
        raise
    stage.remove()
    return len(files)


def _json_of(files: Mapping[str, FileContent]) -> dict[str, Any]:
    return {
        path: json.loads(content)
        for path, content in files.items()
        if isinstance(content, bytes) and path.endswith(".json")
    }


def _make(content: FileContent, file: Path, folder: Path) -> None:
    """Make a file, with a temporary folder below another one to work in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, Path):
        shutil.copy(content, file)
    else:
        work = Path(tempfile.mkdtemp(dir=folder))
        os.replace(content.generate(work), file)
        shutil.rmtree(work)


def _missing_folders(folder: Path) -> list[Path]:
    """Return the folder and those of its parents that do not exist, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _refuse_to_leave(files: Mapping[str, FileContent], output: Path) -> None:
    for path in sorted(files):
        if not is_below(output, path):
            message = f'{output / path} must be below {output}, without ".." and links to folders.'
            raise click.ClickException(message)


def _refuse_folders(files: Iterable[str], output: Path) -> None:
    """Refuse a folder in the place of a file, because `--force` is about files."""
    for path in (*sorted(files), RECORD):
        place = output / path
        if place.is_dir() and not place.is_symlink():
            message = f"{place} must be a file, and is a folder: move it away or remove it."
            raise click.ClickException(message)


def _changed(
    files: Mapping[str, FileContent], output: Path, recorded: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the recorded digests of files that are not as a build left them; None without one."""
    changed: dict[str, str | None] = {}
    for path, content in files.items():
        digest = digest_of(output / path)
        if digest is None or digest == recorded.get(path) or isinstance(content, ExtendedFile):
            continue
        if isinstance(content, bytes) and digest == hashlib.sha256(content).hexdigest():
            continue
        changed[path] = recorded.get(path) or None
    return changed
