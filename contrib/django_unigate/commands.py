"""Management commands of a function: `app.on_event("manage")(django_unigate.manage)`."""

from __future__ import annotations

from io import StringIO
from typing import Any, TypedDict

from unigate.events.commands import command_arguments


class Outcome(TypedDict):
    """What a command wrote to both of its streams, and its exit status."""

    output: str
    exit_status: int


def manage(event: Any, context: Any = None) -> Outcome:
    """Run the management command in an event: `{"manage": "migrate --noinput"}`.

    Register it for the kind "manage"; nobody can send such an event through HTTP, but whoever may
    invoke the function can. A command that asks for input fails: there is nobody to answer.

    Raises:
        ValueError: The event has no command.
        Exception: What a command raises, other than CommandError and SystemExit.
    """
    import django
    from django.core.management import call_command
    from django.core.management.base import CommandError

    name, *arguments = command_arguments(event)
    django.setup()
    output, status = StringIO(), 0
    try:
        call_command(name, *arguments, stdout=output, stderr=output, no_color=True)
    except CommandError as error:
        output.write(f"{type(error).__name__}: {error}\n")
        status = error.returncode
    except SystemExit as error:
        status = _status(error.code, output)
    return {"output": output.getvalue(), "exit_status": status}


def _status(code: Any, output: StringIO) -> int:
    """Return the status that Python exits with; text becomes the last line of the output."""
    if code is None or isinstance(code, int):
        return code or 0
    output.write(f"{code}\n")
    return 1
