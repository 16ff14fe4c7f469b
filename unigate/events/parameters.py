"""What a function for events must take, checked when it is registered."""

from __future__ import annotations

from typing import Any

from unigate.interfaces import is_generator


def check_parameters(function: Any, *names: str) -> None:
    """Check that a function can be called with so many positional arguments.

    Otherwise every event would fail, and many platforms deliver those again.

    Raises:
        TypeError: It cannot, the message has the names of the arguments; or it is a generator,
            which has no result.
    """
    if is_generator(function):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(
            f"The function must return its result, got {name}, a generator: write `return` in "
            "place of `yield`."
        )
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_kwonlyargcount:
        is_bound = getattr(function, "__self__", None) is not None
        if code.co_argcount - is_bound == len(names):
            return  # without `inspect`, whose import takes 15 ms
    import inspect

    try:
        # Not of what a decorator wraps, which it may call with other arguments.
        signature = inspect.signature(function, follow_wrapped=False)
    except ValueError:  # written in C, without a signature
        return
    except TypeError:
        raise TypeError(f"{_wanted(names)}, got {function!r}.") from None
    try:
        signature.bind(*names)
    except TypeError:
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{_wanted(names)}, got {name}{signature}.") from None


def _wanted(names: tuple[str, ...]) -> str:
    return f"The function must take ({', '.join(names)})"
