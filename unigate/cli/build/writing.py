"""From a plan to files: all of them, or none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from unigate.cli.project.core import RECORD


class Made(NamedTuple):
    """A file that a function makes in a folder when it is written, and what it is made of."""

    make: Callable[[Path], Path]
    parts: Sequence[str]


# The contents of a file: its bytes, a file to copy, or what makes one.
Content = bytes | Path | Made
Plan = Mapping[str, Content]


def write(plan: Plan, output: Path, platform: str, force: bool = False) -> None:
    """Write the files of a plan below a folder.

    What an earlier plan for the same platform wrote there and this one has not is removed. A file
    that no build wrote, or that was changed since, is a ClickException unless forced. When
    anything fails the folder is as it was.
    """
    with _ending_in_order():
        _write(plan, output, platform, force)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does: Python would leave at once, and leave files behind."""
    before = signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(plan: Plan, output: Path, platform: str, force: bool) -> None:
    record = read_record(output)
    known = {path: digest for files in record.values() for path, digest in files.items()}
    if not force:
        _refuse_to_overwrite(plan, output, known)
    made = _missing_folders(output)
    output.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".unigate-", dir=output))
    try:
        staged = _stage(plan, stage)
        written = {path: digest_of(file) or "" for path, file in sorted(staged.items())}
        earlier = record.get(platform, {})
        record[platform] = written
        staged[RECORD] = stage / "record"
        staged[RECORD].write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        kept = {path for files in record.values() for path in files}
        stale = {
            path
            for path, digest in earlier.items()
            if path not in kept and digest_of(output / path) == digest
        }
        _swap(staged, stale, output, stage / "before")
    except BaseException:
        shutil.rmtree(stage)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(stage)


def _stage(plan: Plan, stage: Path) -> dict[str, Path]:
    """Make every file in a folder of ours."""
    staged: dict[str, Path] = {}
    for path, content in plan.items():
        file = stage / "after" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, Path):
            shutil.copy(content, file)
        else:
            work = Path(tempfile.mkdtemp(dir=stage))
            os.replace(content.make(work), file)
            shutil.rmtree(work)
        staged[path] = file
    return staged


def _swap(staged: Mapping[str, Path], stale: set[str], output: Path, before: Path) -> None:
    """Put files in their places; what was there is kept aside until all of them are.

    What undoes a step is noted before it, since a signal may come between the two.
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
            with suppress(FileNotFoundError, NotADirectoryError):  # it was not taken
                step()
        raise
    for path in stale:
        for folder in (output / path).relative_to(output).parents:
            with suppress(OSError):  # it holds something else
                (output / folder).rmdir()


def _missing_folders(folder: Path) -> list[Path]:
    """Return the folder and those above it that are not there yet, the deepest first."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _refuse_to_overwrite(plan: Plan, output: Path, record: Mapping[str, str]) -> None:
    for path, content in sorted(plan.items()):
        found = digest_of(output / path)
        if found is None or found == record.get(path):
            continue
        if isinstance(content, bytes) and found == hashlib.sha256(content).hexdigest():
            continue
        why = "changed since it was written" if path in record else "not written by unigate build"
        message = f"{output / path} is there, and was {why}: --force replaces it."
        raise click.ClickException(message)


def read_record(output: Path) -> dict[str, dict[str, str]]:
    """Return what earlier builds wrote into a folder: digests by path, for each platform."""
    try:
        found = json.loads((output / RECORD).read_text("utf-8"))
        return {platform: dict(files.items()) for platform, files in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        message = f"{output / RECORD} is not as it was written: remove it."
        raise click.ClickException(message) from error


def digest_of(file: Path) -> str | None:
    """Return the SHA-256 of a file, "" for what is there and no file, None for nothing."""
    if not file.is_file():
        return "" if file.exists() else None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
