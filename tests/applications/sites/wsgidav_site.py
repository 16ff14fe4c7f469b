"""WsgiDAV: a folder of files over WebDAV."""

from __future__ import annotations

import os
from pathlib import Path

from wsgidav.wsgidav_app import WsgiDAVApp

FOLDER = Path(os.environ["SITE_FOLDER"])


def prepare() -> None:
    """Write the files."""
    (FOLDER / "folder").mkdir()
    (FOLDER / "folder" / "a file.txt").write_text("größer als ASCII\n")
    (FOLDER / "large.bin").write_bytes(bytes(range(256)) * 400)
    for path in sorted(FOLDER.rglob("*"), reverse=True):
        os.utime(path, (1_700_000_000, 1_700_000_000))


application = WsgiDAVApp(
    {
        "provider_mapping": {"/": str(FOLDER)},
        "simple_dc": {"user_mapping": {"*": True}},
        "property_manager": True,
        "lock_storage": True,
        "logging": {"enable": False},
        "verbose": 1,
    }
)
