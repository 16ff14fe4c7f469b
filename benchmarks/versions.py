"""What the figures of a run depend on, for its first line."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version


def machine(packages: Iterable[str]) -> dict[str, str]:
    """Return the interpreter, the processor, and the versions of other packages."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in packages},
    }
