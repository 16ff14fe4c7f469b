"""Load a handler by name, and resolve what it returns."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

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
    root = os.environ.get("LAMBDA_TASK_ROOT")
    if root and root not in sys.path:
        sys.path.insert(0, root)
    module_name, name = _split(target)
    try:
        handler = importlib.import_module(module_name.replace("/", "."))
        for part in name.split("."):
            handler = getattr(handler, part)
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        advice = _did_you_mean(target, missing or "")
        raise TypedError(
            "Runtime.ImportModuleError",
            f"Unable to import module {module_name!r}: {error}{advice and '.' + advice}",
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
            f"Handler {name!r} missing on module {module_name!r}.{_did_you_mean(target)}",
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
            f'The handler must have the form "module.attribute", got {target!r}.'
            f"{_did_you_mean(target)}",
        )
    return module_name, name


def _did_you_mean(target: str, missing: str | None = None) -> str:
    """Return advice on a handler that does not exist.

    Args:
        missing: The module that is missing; it may be one that the handler's module imports.
    """
    from unigate.import_strings import hidden, is_part_of, suggestion  # handlers that exist do not

    module_name = target.rpartition(".")[0]
    if missing is not None and not is_part_of(missing, module_name.replace("/", ".")):
        return ""
    meant = suggestion(target)
    meant = meant and meant.replace(":", ".")
    return hidden(module_name) + (f" Did you mean {meant!r}?" if meant else "")


def resolve(result: Any) -> Any:
    """Return a handler's result; an awaitable is awaited on the process's event loop."""
    if not hasattr(result, "__await__"):
        return result
    from unigate.loop import process_loop

    return process_loop().run(_await(result))


async def _await(result: Any) -> Any:
    return await result
