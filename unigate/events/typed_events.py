"""Event classes of Powertools for AWS Lambda: given to functions whose annotation asks for one.

    @app.on_event("sqs")
    def orders(event: SQSEvent, context): ...

Source: `aws_lambda_powertools.utilities.data_classes`. All of its classes take the event alone, and
so do classes derived from them. No other class is recognised: calling one could do anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

_CLASSES = "aws_lambda_powertools.utilities.data_classes"


def with_event_class(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets its first argument as the class that it is annotated with.

    Without such an annotation that is the function itself. Records from EventBridge Pipes, which
    come as a bare list, are passed to the class as `{"Records": [...]}`.
    """
    event_class = _event_class(function)
    return function if event_class is None else partial(_call, function, event_class)


def _call(function: Callable[..., Any], event_class: Any, event: Any, *more: Any) -> Any:
    if isinstance(event, list):
        event = {"Records": event}
    return function(event_class(event), *more)


def _event_class(function: Callable[..., Any]) -> type | None:
    """Return the class that the first parameter is annotated with, if Powertools defines it."""
    if _CLASSES not in sys.modules:
        return None  # without Powertools there is nothing to find, and no time is lost
    import inspect

    try:
        parameters = inspect.signature(function).parameters
    except (NameError, TypeError, ValueError):  # an annotation or a signature out of reach
        return None
    first = next(iter(parameters.values()), None)
    annotation = None if first is None else first.annotation
    if isinstance(annotation, str):
        annotation = _named(annotation, function)
    if not isinstance(annotation, type):
        return None
    modules = (base.__module__ for base in annotation.__mro__)
    return annotation if any(name.startswith(_CLASSES) for name in modules) else None


def _named(name: str, function: Any) -> Any:
    """Return what a dotted name means where a function is defined, None for anything else."""
    import inspect

    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__code__"):
        function = type(function).__call__  # of an object that can be called
    first, *rest = name.strip("'\"").split(".")
    value = getattr(getattr(function, "__func__", function), "__globals__", {}).get(first)
    for step in rest:
        value = getattr(value, step, None)
    return value
