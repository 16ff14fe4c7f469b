"""The pytest plugin with the fixture `unigate_client`."""

from __future__ import annotations

pytest_plugins = ["unigate.pytest_plugin"]
