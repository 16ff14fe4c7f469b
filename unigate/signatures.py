"""Determine the interface of an application from its signature: WSGI or ASGI."""

from __future__ import annotations

import dis
import functools
import inspect
import types
from typing import Any

# Attributes in which middleware that accepts `*args` keeps the application that it wraps, and Dash
# its server.
_INNER = ("__wrapped__", "app", "application", "wsgi_app", "asgi_app", "server")
# Packages whose applications are handlers of events themselves.
_FRAMEWORKS = ("aws_lambda_powertools", "chalice")
# Their applications are called by their own servers.
_OWN_SERVERS = {"aiohttp", "tornado"}
# The method that instances need if the class itself is the application.
_INSTANCE_METHOD = {"wsgi": "__iter__", "asgi": "__await__"}


def shape_of(app: Any, depth: int = 0) -> str | None:
    """Return "asgi", "asgi2", "wsgi", "factory", or None if the signature fits none of them."""
    # asgiref's marks; on a class, that of ASGI 3 is for its instances.
    if getattr(app, "_asgi_single_callable", False) and not isinstance(app, type):
        return "asgi"
    if getattr(app, "_asgi_double_callable", False):
        return "asgi2"
    if not callable(app) or _of_own_server(app):
        return None
    parameters = _parameters(app)
    if parameters is None or any(
        p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters
    ):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in positional if p.default is p.empty]
    anything = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if _is_coroutine_function(app):
        fits = len(required) <= 3 and (anything or len(positional) >= 3)
        return "asgi" if fits else None
    if len(required) < 2 and anything:
        return _shape_of_inner(app, depth)
    names = required or [p.name for p in positional]
    if required and type(app) is types.FunctionType and _names_nothing(app.__name__, names):
        return None
    shape = _shape_of_parameters(names, all_optional=not required)
    if shape == "factory" and isinstance(app, type) and parameters:
        return None  # such as FastAPI itself, not an instance of it: there is nothing in it
    if (
        isinstance(app, type)
        and shape in _INSTANCE_METHOD
        and not hasattr(app, _INSTANCE_METHOD[shape])
    ):
        return None
    return shape


def _shape_of_parameters(names: list[str], *, all_optional: bool) -> str | None:
    if _takes_event(names):
        return None
    if all_optional and not {"scope", "start_response"} & set(names):
        return "factory"
    if names == ["scope"]:
        return "asgi2"
    return {2: "wsgi", 3: "asgi"}.get(len(names))


def _names_nothing(function: str, names: list[str]) -> bool:
    """Return True if a function that takes two or three arguments names none as ASGI or WSGI do.

    Most of those are factories. Short names will do, and a lambda is not asked.
    """
    usual = {2: ("e", "s"), 3: ("s", "r", "s")}.get(len(names), ())
    bare = [name.strip("_") for name in names]
    alike = [name.startswith(letter) for name, letter in zip(bare, usual, strict=False)]
    told = any(word in name for name in bare for word in ("env", "start", "scope", "receive"))
    return bool(usual) and function != "<lambda>" and not (told or all(alike))


def _takes_event(names: list[str]) -> bool:
    """Return True for the parameters of a handler of Lambda, which is not an application."""
    bare = [name.strip("_") for name in names]
    return (
        bare[:1] in (["event"], ["evt"])
        or bare[1:] in (["context"], ["ctx"])
        or bare[1:3] == ["event", "context"]  # an adapter that takes the application too
    )


def _shape_of_inner(app: Any, depth: int) -> str | None:
    for name in _INNER:
        inner = getattr(app, name, None)
        if inner is not None and inner is not app and depth < 10:
            shape = shape_of(inner, depth + 1)
            if shape in ("asgi", "asgi2", "wsgi"):
                return shape
    return None


def _parameters(app: Any) -> list[inspect.Parameter] | None:
    """Return the parameters of a call without `self`; for a class those of its constructor.

    The parameters of a decorated function count only if the decorator's own are `*args`.
    """
    called = _called(app)
    parameters: list[inspect.Parameter] | None = None
    for follow in (False, True):
        try:
            signature = inspect.signature(called, follow_wrapped=follow)
        except (TypeError, ValueError):  # written in C, without a signature
            continue
        parameters = list(signature.parameters.values())
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            break
    return parameters


def _called(app: Any) -> Any:
    """Return the function that a call runs; Sentry sets `__call__` on the instance."""
    if isinstance(app, type | functools.partial) or inspect.isroutine(app):
        return app
    return app.__call__


def _is_coroutine_function(app: Any) -> bool:
    while isinstance(app, functools.partial):
        app = app.func
    return inspect.iscoroutinefunction(_called(app))


def is_awaiting(caller: types.FrameType) -> bool:
    """Return True if a coroutine awaits the result of the call that it is making."""
    instructions = dis.get_instructions(caller.f_code)
    following = (each for each in instructions if each.offset > caller.f_lasti)
    return next(following).opname == "GET_AWAITABLE"


def undecided(app: Any) -> str:
    """Explain why an object's interface cannot be determined, and what to pass instead."""
    if isinstance(app, types.ModuleType):
        found = [name for name in ("app", "application", "api") if callable(vars(app).get(name))]
        example = f", {app.__name__}.{found[0]}" if found else ""
        return f"{app.__name__!r} is a module. Pass the application in it{example}."
    if app is None:
        return (
            "The application is None: `return` is missing in the factory or decorator it is from."
        )
    if advice := _of_own_server(app):
        return advice
    if not callable(app):
        return (
            f"{_capitalized(name_of(app))} cannot be called: it is neither a WSGI nor an ASGI "
            "application. If it is a part of one, such as a blueprint or what a view returns, pass "
            "the application."
        )
    if isinstance(app, type):
        return (
            f"{name_of(app)} is a class, not an application. Pass an instance of it: "
            f"app = {app.__name__}(...), wrap(app)."
        )
    parameters = _parameters(app)
    call = f"({', '.join(map(str, parameters))})" if parameters is not None else "(unknown)"
    seen = f"{name_of(app)}, called with {call},"
    names = [parameter.name for parameter in parameters or ()]
    if _takes_event(names):
        return f"{seen} is a handler of Lambda events, not an application. {_advice(app)}"
    if _is_coroutine_function(app) and not names:
        return f"{seen} is asynchronous. A factory must not be: pass what it returns."
    name = getattr(app, "__name__", "")
    example = f": wrap({name}(...))" if name.isidentifier() else ""
    return (
        f"Cannot determine whether {seen.removesuffix(',')} is a WSGI application, called with "
        "(environ, start_response), or an ASGI application, called with (scope, receive, send). "
        f"If it is a factory that needs arguments, pass what it returns{example}. If it is an "
        'application, pass interface="wsgi" or "asgi" to wrap() or without_prefix(), and as a '
        "mount a function with the arguments above that returns what it returns."
    )


def _of_own_server(app: Any) -> str:
    """Return what to pass in place of a framework's application that only its server can call."""
    if isinstance(app, type):
        return ""
    packages = {base.__module__.partition(".")[0] for base in type(app).__mro__}
    if "web" in packages and hasattr(app, "wsgifunc"):
        return (
            f"{_capitalized(name_of(app))} is one of web.py: pass the WSGI application that its "
            "method makes, wrap(app.wsgifunc())."
        )
    for package in _OWN_SERVERS & packages:
        return (
            f"{_capitalized(name_of(app))} is one of {package}: it runs on {package}'s own server "
            "alone, and is neither a WSGI nor an ASGI application. Its handlers move to one, of a "
            "framework such as Starlette or FastAPI."
        )
    return ""


def _advice(handler: Any) -> str:
    """Return what to pass in place of a handler of events."""
    kept = next((name for name in _INNER if callable(getattr(handler, name, None))), None)
    if kept and not inspect.isroutine(handler):
        return f"Pass the application that it calls, its attribute {kept!r}."
    if type(handler).__module__.partition(".")[0] in _FRAMEWORKS:
        return "It calls none: its views move to Flask, FastAPI or another such framework."
    return (
        "Pass the application that it calls. A function for non-HTTP events is registered with "
        "@app.on_event(...), and a decorator of handlers is passed as "
        "wrap(..., around=[decorator])."
    )


def _capitalized(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def name_of(app: Any) -> str:
    """Return a name for an application in a sentence."""
    return getattr(app, "__qualname__", None) or f"the {type(app).__name__} object"
