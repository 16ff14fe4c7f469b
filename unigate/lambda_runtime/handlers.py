"""What answers events: found as "module.attribute", as Lambda names it, and waited for."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from .errors import Fault


def load(target: str) -> Any:
    """Import a handler; Fault as the Runtime API names it, or whatever its module raises."""
    separator = ":" if ":" in target else "."
    module_name, found, name = target.rpartition(separator)
    if not (found and module_name and name):
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler {target!r}: no module is in it.")
    root = os.environ.get("LAMBDA_TASK_ROOT")
    if root and root not in sys.path:
        sys.path.insert(0, root)
    try:
        handler = importlib.import_module(module_name.replace("/", "."))
        for part in name.split("."):
            handler = getattr(handler, part)
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module {module_name!r}: {error}"
        ) from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module {module_name!r}: {error}",
            trace=[where],
        ) from error
    except AttributeError as error:
        if getattr(error, "name", None) not in name.split("."):
            raise  # of the module itself
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler {name!r} missing on module {module_name!r}"
        ) from error
    if not callable(handler):
        raise Fault("Runtime.HandlerNotFound", f"Handler {target!r} cannot be called.")
    return handler


def finished(result: Any) -> Any:
    """Return what a function returned, awaited on the event loop of this process if need be."""
    if not hasattr(result, "__await__"):
        return result
    from unigate.loop import process_loop

    return process_loop().run(_await(result))


async def _await(result: Any) -> Any:
    return await result
