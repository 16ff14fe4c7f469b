"""What is passed for a Flask application."""

from __future__ import annotations

from flask import Blueprint, Flask

from unigate import Gateway


def check_application(owner: str, given: object) -> None:
    """Raise TypeError for what is no Flask application, with what to pass in its place.

    Args:
        owner: What was called, for the message.
    """
    if isinstance(given, Flask):
        return
    advice = ""
    if isinstance(given, Gateway):
        advice = " Pass the application itself, which its extension makes a gateway of."
    elif isinstance(given, Blueprint):
        advice = " Pass the application that it is registered on."
    elif isinstance(given, str):
        module, _, name = given.partition(":")
        name = name if name.isidentifier() else "app"
        advice = f" Import it: from {module} import {name}; {owner}({name})"
    elif callable(given):
        advice = " Pass what a factory returns, in the factory."
    raise TypeError(f"{owner} must be given a flask.Flask application, got {given!r}.{advice}")
