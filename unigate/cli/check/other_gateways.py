"""Gateways of another kind: they answer one platform's events, or one interface, alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import Finding

# What makes a handler for Lambda, or answers an event, by the name it is imported from.
_FOR_LAMBDA = {
    "agraffe.Agraffe.entry_point",
    "apig_wsgi.make_lambda_handler",
    "awsgi.response",
    "mangum.Mangum",
    "serverless_wsgi.handle_request",
    "vellox.Vellox",
}
# What makes the one interface of the other; inside of another application it is in its place.
_BRIDGES = {
    "a2wsgi.ASGIMiddleware",
    "a2wsgi.WSGIMiddleware",
    "asgiref.wsgi.WsgiToAsgi",
    "uvicorn.middleware.wsgi.WSGIMiddleware",
}
# What platforms and servers look for.
_DEPLOYED = {"app", "application", "handler", "lambda_handler"}


def check_handlers(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Find gateways of another kind in the sources: Vercel and servers take them for WSGI."""
    for path, file in files.items():
        if not path.endswith(".py"):
            continue
        parsed = _parsed(file)
        origins = dict(_imported(parsed))
        deployed = {id(value) for value in _deployed(parsed)}
        for node in ast.walk(parsed):
            if not isinstance(node, ast.Call):
                continue
            origin = _origin(node.func, origins)
            if origin in _FOR_LAMBDA:
                what = "answers Lambda's events alone"
            elif origin in _BRIDGES and id(node) in deployed:
                what = "has one interface alone"
            else:
                continue
            name = origin.rpartition(".")[2]
            message = f"{name}(...) {what}: unigate.wrap(...) stands in."
            yield Finding("handler", f"{path}:{node.lineno}", message)


def _imported(parsed: ast.Module) -> Iterator[tuple[str, str]]:
    """Return each name that is imported anywhere, and where it is from."""
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _origin(function: ast.expr, origins: Mapping[str, str]) -> str:
    """Return what is called as "package.module.name", "" where it was not imported."""
    names: list[str] = []
    while isinstance(function, ast.Attribute):
        names.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name) or function.id not in origins:
        return ""
    return ".".join([origins[function.id], *names])


def _deployed(parsed: ast.Module) -> Iterator[ast.expr]:
    """Return what top-level names that are deployed are bound to."""
    for node in parsed.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id in _DEPLOYED for target in targets):
            assert node.value is not None
            yield node.value


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # a template, or for another Python
        return ast.Module([], [])
