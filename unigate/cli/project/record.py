"""The record of the files that builds have written to a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

RECORD = ".unigate-build.json"
_JSON = "json"  # beside the platforms


def read_record(output: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the files that earlier builds wrote, by platform and path."""
    return {platform: files for platform, files in _read(output).items() if platform != _JSON}


def read_json_written(output: Path) -> dict[str, Any]:
    """Return the content of the JSON files that earlier builds made, by path.

    It is what they made before it was merged with that of the user.
    """
    return _read(output).get(_JSON, {})


def record_text(record: Mapping[str, Mapping[str, str]], written: Mapping[str, Any]) -> str:
    """Return the text of a record.

    Args:
        record: As `read_record` returns it.
        written: As `read_json_written` returns it.
    """
    return json.dumps({**record, _JSON: written}, indent=1) + "\n"


def _read(output: Path) -> dict[str, dict[str, Any]]:
    try:
        record = json.loads((output / RECORD).read_text("utf-8"))
        return {name: dict(files.items()) for name, files in record.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"{output / RECORD} cannot be read: {error}."
        raise click.ClickException(message) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        message = (
            f"{output / RECORD}, which lists what builds wrote, is damaged. Restore it; or remove "
            "it, and build with --force, which replaces files of the build that you have changed."
        )
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
