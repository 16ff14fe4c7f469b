"""Load an application and determine its interface: WSGI or ASGI."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Any

COROUTINE = 0x80  # the flag of an `async def` (`inspect.CO_COROUTINE`)
_ASGI_MARKS = ("_asgi_single_callable", "_asgi_double_callable")  # those of asgiref
_GENERATORS = 0x20 | 0x200  # those of functions with `yield`, `def` and `async def`


def is_async(function: Any) -> bool:
    """Return True for an `async def`, a method, a partial or an object that is one when called."""
    return bool(_flags(function) & COROUTINE)


def is_generator(function: Any) -> bool:
    """Return True for a function with `yield`, `async def` or not, as `is_async` looks for one."""
    return bool(_flags(function) & _GENERATORS)


def _flags(function: Any) -> int:
    while isinstance(function, partial):
        function = function.func
    called = function if hasattr(function, "__code__") else getattr(function, "__call__", None)  # noqa: B004
    flags: int = getattr(getattr(called, "__code__", None), "co_flags", 0)
    return flags


def load(application: Any, interface: str | None = None) -> tuple[Any, Any]:
    """Return an application that can be called, and its interface: "asgi" (3) or "wsgi".

    Args:
        application: The application, an import string ("package.module:attribute"), a factory
            without parameters, or an ASGI 2 application.
        interface: Taken as it is instead of being determined.

    Raises:
        ImportError: The import string does not lead to an object.
        UnknownInterface: The object's interface cannot be determined.
    """
    if isinstance(application, str):
        from .import_strings import import_from  # most applications are objects

        application = import_from(application)
    if interface is not None:
        return application, interface
    usual = _usual_shape(application)
    if usual is not None:
        return application, usual
    from . import signatures

    made_by = ""
    shape = signatures.shape_of(application)
    if shape == "factory":
        made_by = f"{signatures.name_of(application)} was called as a factory. "
        application = application()
        shape = signatures.shape_of(application)
    if shape == "asgi2":
        from asgiref.compatibility import double_to_single_callable

        single: Any = double_to_single_callable
        return single(application), "asgi"
    if shape == "asgi" or shape == "wsgi":
        return application, shape
    from .errors import UnknownInterface

    raise UnknownInterface(made_by + signatures.undecided(application))


def _usual_shape(app: Any) -> str | None:
    """Return the interface of a plain function or method, or of an object with such a `__call__`.

    None for anything less clear. `signatures` covers all of this, but it imports `inspect`: a tenth
    of a cold start.
    """
    called = app
    if not isinstance(app, FunctionType | MethodType):
        if isinstance(app, type) or any(getattr(app, mark, False) for mark in _ASGI_MARKS):
            return None
        called = getattr(app, "__call__", None)  # noqa: B004
    function = called.__func__ if isinstance(called, MethodType) else called
    if type(function) is not FunctionType or vars(function) or function.__defaults__:
        return None
    code = function.__code__
    if code.co_kwonlyargcount:
        return None
    own = 0 if function is called else 1  # `self`
    names = code.co_varnames[own : code.co_argcount]
    if len(names) == 3 and (names[0] == "scope" or code.co_flags & COROUTINE):
        return "asgi"
    return "wsgi" if len(names) == 2 and names[1].startswith("start") else None
