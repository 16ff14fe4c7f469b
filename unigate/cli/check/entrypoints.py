"""The entry points: whether what is deployed is the gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from unigate import Gateway
from unigate.cli.vercel.project import FILE, Entry, Vercel, read_entry

from . import Finding


def check_entries(vercel: Vercel) -> Iterator[Finding]:
    """Find entry points that are not the gateway. The current folder is on Python's path."""
    entries = vercel.entries()
    for entry in entries:
        yield from _check(vercel.root, entry)
    if not entries and not vercel.functions:
        yield Finding("entrypoint", FILE, "Vercel finds no entry point to deploy.")


def _check(root: Path, entry: Entry) -> Iterator[Finding]:
    file, name, _ = entry
    line = ""
    found = read_entry(root, file)
    if name is None:
        if found is None:
            message = "Vercel finds no app here: bind it at the top level, outside of if and try."
            yield Finding("entrypoint", file, message)
            return
        name = found[0]
    if found is not None and found[0] == name:
        line = f":{found[1]}"
    try:
        deployed = getattr(_loaded(root / file), name, None)
    except (Exception, SystemExit) as error:
        yield Finding("entrypoint", file, f"It cannot be imported: {error}.")
        return
    if not isinstance(deployed, Gateway):
        message = f"Vercel deploys {name!r}, {entry.why}, and that is not the gateway."
        yield Finding("entrypoint", f"{file}{line}", message)


def _loaded(file: Path) -> ModuleType:
    """Return a file as a module; its path may be no name of one: "api/users/[name].py"."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(file):
            return module
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
