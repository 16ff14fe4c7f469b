"""The command in an event of the kind "manage", for the frameworks' plugins."""

from __future__ import annotations

import shlex
from typing import Any


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
