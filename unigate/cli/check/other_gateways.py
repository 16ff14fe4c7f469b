"""Find gateways of other libraries, which answer only Lambda's events or only one interface."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from .findings import Finding

# Callables that make a Lambda handler or answer an event, by their full names.
_FOR_LAMBDA = {
    "agraffe.Agraffe.entry_point",
    "apig_wsgi.make_lambda_handler",
    "awsgi.response",
    "mangum.Mangum",
    "serverless_wsgi.handle_request",
    "vellox.Vellox",
}
# Bridges between WSGI and ASGI: a mistake as the deployed object, but not within an application.
_BRIDGES = {
    "a2wsgi.ASGIMiddleware",
    "a2wsgi.WSGIMiddleware",
    "asgiref.wsgi.WsgiToAsgi",
    "uvicorn.middleware.wsgi.WSGIMiddleware",
}
# The names that platforms and servers look for.
_DEPLOYED_NAMES = {"app", "application", "handler", "lambda_handler"}


def check_other_gateways(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Find gateways of other libraries in the sources.

    Vercel and servers take a Lambda handler for a WSGI application.

    Args:
        files: The files of the project by their path.
    """
    for path, file in files.items():
        if not path.endswith(".py"):
            continue
        module = _parse(file)
        origins = dict(_imported_names(module))
        deployed = {id(value) for value in _deployed_values(module)}
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            origin = _origin(node.func, origins)
            if origin in _FOR_LAMBDA:
                limitation = "answers only Lambda's events"
            elif origin in _BRIDGES and id(node) in deployed:
                limitation = "has only one interface"
            else:
                continue
            name = origin.rpartition(".")[2]
            message = f"{name}(...) {limitation}: use unigate.wrap(...) instead."
            yield Finding("handler", f"{path}:{node.lineno}", message)


def _imported_names(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name that is imported anywhere in a module, and its full name."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _origin(function: ast.expr, origins: Mapping[str, str]) -> str:
    """Return the full name of a called function, "" if it was not imported."""
    names: list[str] = []
    while isinstance(function, ast.Attribute):
        names.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name) or function.id not in origins:
        return ""
    return ".".join([origins[function.id], *names])


def _deployed_values(module: ast.Module) -> Iterator[ast.expr]:
    """Yield the values that are assigned to deployed names at the top level."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id in _DEPLOYED_NAMES for target in targets):
            assert node.value is not None
            yield node.value


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # a template, or code for another version of Python
        return ast.Module([], [])
