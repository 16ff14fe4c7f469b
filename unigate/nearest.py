"""The known name that a wrong one is most like, for error messages."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: object, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known name that is most like a wrong one, or None.

    Args:
        name: What was given; only text is like a name.
        known: The names. Upper and lower case count as the same.
        likeness: How much of both must be the same, 0 to 1 (`difflib.get_close_matches`).
    """
    if not isinstance(name, str):
        return None
    from difflib import get_close_matches

    by_folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), by_folded, 1, likeness)
    return by_folded[found[0]] if found else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the nearest known name, or "" if none is near."""
    near = nearest(name, known)
    return "" if near is None else f" Did you mean {near!r}?"
