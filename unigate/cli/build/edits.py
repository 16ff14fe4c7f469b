"""Files of a build that the user has, or has changed: merged, or left as they are with a diff."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from unigate.cli.project.record import read_json_written

from .plan import FileContent


class Settled(NamedTuple):
    """What is written after all.

    Attributes:
        files: The contents by their path, without the files that are left as they are.
        digests: For each file that is merged or left, the digest that the record has: that of the
            content which the build made, so that the next build sees the change again.
    """

    files: Mapping[str, FileContent]
    digests: Mapping[str, str]


def settle(
    files: Mapping[str, FileContent], output: Path, changed: Mapping[str, str | None]
) -> Settled:
    """Merge or leave the files that differ from what a build wrote; print what was done.

    A JSON object gets the keys of the build, keeps those of the user, and loses those that only an
    earlier build wrote; what is none is an error. Another text that a build wrote, and that was
    changed since, is left.

    Args:
        changed: Such files by their path, with the recorded digest; None for one that no build
            wrote.

    Raises:
        click.ClickException: A file is neither.
    """
    written, digests = dict(files), {}
    last = read_json_written(output)
    for path, recorded in sorted(changed.items()):
        place, content = output / path, files[path]
        ours = content if isinstance(content, bytes) and not place.is_symlink() else None
        if ours is not None and path.endswith(".json"):
            merged = written[path] = merged_json(place, ours, last.get(path))
            digests[path] = hashlib.sha256(ours).hexdigest()
            if merged != place.read_bytes():
                _print_diff(place, merged, "was merged with the build's")
        elif ours is not None and recorded is not None:
            del written[path]
            digests[path] = recorded
            if recorded == hashlib.sha256(ours).hexdigest():
                click.echo(f"{place} was changed: left as it is.", err=True)
            else:
                _print_diff(
                    place, ours, "was changed: left as it is. To take the build's, use --force"
                )
        else:
            origin = (
                "not written by unigate build"
                if recorded is None
                else ("changed since it was written")
            )
            if ours is not None:
                _print_diff(place, ours, "differs from the build's")
            message = f"{place} exists and was {origin}: {what_to_do(path)}."
            raise click.ClickException(message)
    return Settled(written, digests)


def what_to_do(path: str) -> str:
    """Return what to do about a file of the user's in the place of one that a build writes."""
    if path.endswith(".py"):  # an entry point
        return (
            "rename it if the application needs it, or build the application in it; use --force to "
            "replace it"
        )
    return "use --force to replace it"


def merged_json(file: Path, ours: bytes, last: Any = None) -> bytes:
    """Return the JSON object in a file with the keys of another one.

    The keys of `ours` win, in inner objects as well. A list of objects keeps those that ours does
    not have, before ours: in vercel.json, the last rewrite is for all paths.

    Args:
        last: What the last build made; what is only there, and unchanged in the file, is removed.

    Raises:
        click.ClickException: The file has something else.
    """
    theirs = file.read_bytes()
    try:
        old, problem = json.loads(theirs), "an array or another value"
    except RecursionError:
        old, problem = None, "too deep a nesting"
    except ValueError as error:
        old, problem = None, str(error)
    if not isinstance(old, dict):
        raise click.ClickException(
            f"{file} must be a JSON object to be merged with the build's, got {problem}: mend it, "
            "or replace it with --force."
        )
    new = json.loads(ours)
    merged = _merge(_without(old, last, new), new)
    if merged == old:
        return theirs
    return f"{json.dumps(merged, indent=2, ensure_ascii=False)}\n".encode()


def _without(old: Any, last: Any, new: Any) -> Any:
    """Return a value without what the last build made of it and the new one does not."""
    if isinstance(old, dict) and isinstance(last, dict):
        inner = new if isinstance(new, dict) else {}
        return {
            key: _without(value, last.get(key), inner.get(key))
            for key, value in old.items()
            if key in inner or key not in last or value != last[key]
        }
    if _has_objects(old) and _has_objects(last):
        kept = new if isinstance(new, list) else []
        return [item for item in old if item in kept or item not in last]
    return old


def _merge(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merge(old.get(key), value) for key, value in new.items()}}
    if _has_objects(old) and _has_objects(new):
        return [*(item for item in old if item not in new), *new]
    return new


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _print_diff(place: Path, content: bytes, what: str) -> None:
    old = place.read_bytes().decode(errors="replace").splitlines()
    new = content.decode(errors="replace").splitlines()
    lines = difflib.unified_diff(old, new, str(place), "the build's", lineterm="")
    click.echo("\n".join([f"{place} {what}:", *lines]), err=True)
