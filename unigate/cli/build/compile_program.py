"""A program that compiles modules, run by the Python of the target.

    python compile_program.py <folder> <files.json>

`files.json` is a list of pairs: the path of a source, and its path in the function. Bytecode is
written below the folder, in `__pycache__` as PEP 3147 names it, with an unchecked hash (PEP 552):
Python then uses it without a look at the source. A file that is not Python of this version is left
out. It imports nothing of unigate, which may need another version.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.util import cache_from_source
from py_compile import PycInvalidationMode, PyCompileError, compile

# Where Lambda puts a function. Python corrects it when a module is imported from another place.
_TASK = "/var/task"


def main(folder: str, files: str) -> None:
    """Compile the modules of a list."""
    warnings.simplefilter("ignore")
    with open(files, encoding="utf-8") as opened:
        pairs = json.load(opened)
    for source, path in pairs:
        try:
            compile(
                source,
                cache_from_source(f"{folder}/{path}", optimization=""),
                f"{_TASK}/{path}",
                doraise=True,
                invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            )
        except (PyCompileError, RecursionError, MemoryError):
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
