"""The command in an event of the kind "manage", for the frameworks' plugins."""

from __future__ import annotations

import shlex
import threading
from typing import Any, TypedDict

# Held while a command runs: its output is what is written to `sys.stdout`, which the process has
# once. A command may run another one.
one_command = threading.RLock()


class Outcome(TypedDict):
    """The output of a command, stdout and stderr together, and its exit status."""

    output: str
    exit_status: int


def command_arguments(event: Any) -> list[str]:
    """Return the command and its arguments: `{"manage": "migrate --noinput"}`, or a list of them.

    Raises:
        ValueError: There is no command.
    """
    command = event.get("manage")
    if isinstance(command, str):
        command = shlex.split(command)
    if not (command and isinstance(command, list) and all(isinstance(c, str) for c in command)):
        raise ValueError(
            '"manage" must be a command, such as "migrate --noinput", or a list of its arguments, '
            f"got {event.get('manage')!r}."
        )
    return command
