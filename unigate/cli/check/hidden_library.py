"""Find a file of the project that Python imports in place of this library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import unigate

from .findings import Finding

_NAMES = ("unigate.py", "unigate/__init__.py")


def check_hidden_library(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Find a file named like the library; the program `unigate` itself has imported the library.

    Args:
        files: The files of the project by their path.
    """
    for name in _NAMES:
        if name in files and not files[name].samefile(str(unigate.__file__)):
            message = "Servers import it in place of the library unigate: rename it."
            yield Finding("import", name, message)
