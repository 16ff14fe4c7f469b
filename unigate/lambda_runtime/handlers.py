"""Load a handler by name, and resolve what it returns."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from unigate.interfaces import hidden

from .errors import TypedError


def load(target: str) -> Any:
    """Import a handler.

    Args:
        target: "module.attribute", as Lambda names handlers, or "module:attribute". Slashes in the
            module's name are read as dots.

    Raises:
        TypedError: If the handler does not exist, or its module has a syntax error or cannot be
            imported; under the type that AWS's runtime client reports.
    """
    module_name, name = _split(target)
    root = os.environ.get("LAMBDA_TASK_ROOT")
    if root and root not in sys.path:
        sys.path.insert(0, root)
    try:
        handler = importlib.import_module(module_name.replace("/", "."))
        for part in name.split("."):
            handler = getattr(handler, part)
    except ImportError as error:
        raise TypedError(
            "Runtime.ImportModuleError", f"Unable to import module {module_name!r}: {error}"
        ) from error
    except SyntaxError as error:
        location = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise TypedError(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module {module_name!r}: {error}",
            trace=[location],
        ) from error
    except AttributeError as error:
        if getattr(error, "name", None) not in name.split("."):
            raise  # the module's own error
        raise TypedError(
            "Runtime.HandlerNotFound",
            f"Handler {name!r} missing on module {module_name!r}.{hidden(module_name)}",
        ) from error
    if not callable(handler):
        raise TypedError(
            "Runtime.HandlerNotFound", f"The handler {target!r} must be callable, got {handler!r}."
        )
    return handler


def _split(target: str) -> tuple[str, str]:
    module_name, _, name = target.rpartition(":" if ":" in target else ".")
    if not (module_name and name):
        raise TypedError(
            "Runtime.MalformedHandlerName",
            f'The handler must have the form "module.attribute", got {target!r}.',
        )
    return module_name, name


def resolve(result: Any) -> Any:
    """Return a handler's result; an awaitable is awaited on the process's event loop."""
    if not hasattr(result, "__await__"):
        return result
    from unigate.loop import process_loop

    return process_loop().run(_await(result))


async def _await(result: Any) -> Any:
    return await result
