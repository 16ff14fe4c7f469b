"""Management commands in a deployed function: `app.on_event("manage")(django_unigate.manage)`."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from unigate.events.commands import Outcome, command_arguments, one_command


def manage(event: object, context: object = None) -> Outcome:
    """Run what `manage.py` would for the arguments in an event: `{"manage": "migrate --noinput"}`.

    Register it for the kind "manage". An HTTP request cannot be such an event: it takes the
    permission to invoke the function. A command that asks for input fails. The output includes what
    other threads print meanwhile.

    Raises:
        ValueError: The event has no command.
        Exception: What a command raises, other than CommandError and SystemExit.
    """
    from django.core.management import ManagementUtility

    arguments = command_arguments(event)
    output, status = StringIO(), 0
    with one_command, redirect_stdout(output), redirect_stderr(output):
        try:
            ManagementUtility(["manage.py", *arguments]).execute()
        except SystemExit as error:
            status = _status(error.code, output)
    return {"output": output.getvalue(), "exit_status": status}


def _status(code: Any, output: StringIO) -> int:
    """Return the status that Python exits with; text becomes the last line of the output."""
    if code is None or isinstance(code, int):
        return code or 0
    output.write(f"{code}\n")
    return 1
