"""The record of the files that builds have written to a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click

RECORD = ".unigate-build.json"


def read_record(output: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the files that earlier builds wrote, by platform and path."""
    try:
        record = json.loads((output / RECORD).read_text("utf-8"))
        return {platform: dict(files.items()) for platform, files in record.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"{output / RECORD} cannot be read: {error}."
        raise click.ClickException(message) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        message = f"{output / RECORD} is damaged: remove it."
        raise click.ClickException(message) from error


def written_by_others(root: Path, platform: str) -> set[str]:
    """Return the paths of unchanged files that builds for other platforms wrote to a folder."""
    record = read_record(root)
    own = record.pop(platform, {})
    return {
        path
        for files in record.values()
        for path, digest in files.items()
        if path not in own and digest and digest_of(root / path) == digest
    }


def digest_of(file: Path) -> str | None:
    """Return a file's SHA-256 in hexadecimal, "" for another kind of file, None without one."""
    if not file.is_file():
        return "" if file.exists() else None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
