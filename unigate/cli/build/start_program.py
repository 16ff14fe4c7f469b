"""A program that imports an application and prints how long that takes.

    python start_program.py <folder> <module:app> [--no-bytecode]

It prints a JSON object: "seconds", and "modules", the paths of the imported sources below the
folder. With --no-bytecode, modules outside of the standard library are compiled, as in a folder
that is read-only and has none. It imports nothing of unigate, so that only the application counts.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import sysconfig
import time
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from types import CodeType
from typing import Any


class _SourceLoader(SourceFileLoader):
    """Compiles a source at each import."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def main(folder: str, target: str, *options: str) -> None:
    """Import an application, and print the report."""
    sys.path.insert(0, folder)
    if "--no-bytecode" in options:
        _use_sources()
    sys.stdout, stdout = sys.stderr, sys.stdout  # the application may print
    begun = time.perf_counter()
    load(target)
    seconds = time.perf_counter() - begun
    files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    modules = [os.path.relpath(file, folder) for file in files if file.startswith(folder + os.sep)]
    print(json.dumps({"seconds": seconds, "modules": sorted(modules)}), file=stdout, flush=True)
    os._exit(0)  # threads of the application may run on


def load(target: str) -> None:
    """Import a target, and the import strings that a gateway loads at its first request."""
    module, _, attribute = target.partition(":")
    value: object = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        value = getattr(value, name)
    if type(value).__module__ == "unigate.gateway":
        getattr(value, "mounts", None)  # loads them


def _use_sources() -> None:
    """Let Python read the sources of everything but the standard library."""
    stdlib = os.path.realpath(sysconfig.get_path("stdlib"))
    make = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, SOURCE_SUFFIXES)
    )

    def hook(path: str) -> Any:
        real = os.path.realpath(path)
        if real.startswith(stdlib) and "site-packages" not in real:
            raise ImportError(path)
        return make(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()


if __name__ == "__main__":
    main(*sys.argv[1:])
