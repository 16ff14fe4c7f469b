"""Radicale: calendars and contacts over CalDAV and CardDAV."""

from __future__ import annotations

import os

from radicale.app import Application
from radicale.config import load

configuration = load()
configuration.update(
    {
        "auth": {"type": "http_x_remote_user"},
        "rights": {"type": "owner_only"},
        "storage": {"filesystem_folder": os.environ["SITE_FOLDER"]},
        "logging": {"level": "warning"},
    },
    "site",
)
application = Application(configuration)
