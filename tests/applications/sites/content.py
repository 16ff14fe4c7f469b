"""What the sites written for frameworks have in common: files, texts, streamed parts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FOLDER = Path(os.environ["SITE_FOLDER"])

INDEX = "<!doctype html><title>Café</title><p>A page, größer als ASCII.</p>"
PARTS = ["one\n", "two\n", "é" * 3000, "\nend"]
EVENTS = ["event: a\ndata: 1\n\n", "data: größe\n\n", "id: 3\ndata: last\n\n"]
LARGE = "0123456789abcdef" * 75_000


def prepare() -> None:
    """Write the files of the folder."""
    (FOLDER / "large.bin").write_bytes(bytes(range(256)) * 400)
    (FOLDER / "style.css").write_text("body { color: teal }\n")
    for path in FOLDER.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))


def digest(body: bytes) -> dict[str, object]:
    """Return what shows that a body has arrived whole."""
    return {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
