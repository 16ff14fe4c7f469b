"""Check that what Vercel deploys is the gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from unigate import Gateway
from unigate.cli.vercel.project import VERCEL_JSON, Entrypoint, VercelProject, read_entrypoint

from .findings import Finding


def check_entrypoints(project: VercelProject) -> Iterator[Finding]:
    """Find entry points that are not a gateway; the root must be on `sys.path`."""
    entrypoints = project.entrypoints()
    for entrypoint in entrypoints:
        yield from _check_entrypoint(project.root, entrypoint)
    if not entrypoints and not project.functions:
        yield Finding("entrypoint", VERCEL_JSON, "Vercel finds no entry point to deploy.")


def _check_entrypoint(root: Path, entrypoint: Entrypoint) -> Iterator[Finding]:
    file, name, reason = entrypoint
    bound = read_entrypoint(root, file)
    if name is None:
        if bound is None:
            message = "Vercel finds no app here: bind it at the top level, outside if and try."
            yield Finding("entrypoint", file, message)
            return
        name = bound[0]
    line = f":{bound[1]}" if bound is not None and bound[0] == name else ""
    try:
        deployed = getattr(_load_file(root / file), name, None)
    except (Exception, SystemExit) as error:
        yield Finding("entrypoint", file, f"The file cannot be imported: {error}.")
        return
    if not isinstance(deployed, Gateway):
        message = f"Vercel deploys {name!r}, {reason}, which is not the gateway."
        yield Finding("entrypoint", f"{file}{line}", message)


def _load_file(file: Path) -> ModuleType:
    """Return the module of a file, whose name may be no identifier: "api/users/[name].py"."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(file):
            return module
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
