"""The commands that deploy what a build wrote, printed whole, as a shell takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from unigate.cli.project.core import Project

_WIDTH = 92  # without the indentation


class Variable(str):
    """The name of a shell variable that stands for what only the user knows, such as a region."""


Command = Sequence[str]


def to_run(purpose: str, *commands: Command) -> str:
    """Return commands as text, below a line that names the variables to set first.

    Args:
        purpose: What they do, to begin that line.
        commands: The words of each command; a `Variable` is written as "$NAME".
    """
    words = (word for words in commands for word in words)
    names = list(dict.fromkeys(word for word in words if isinstance(word, Variable)))
    listed = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    first = f"{purpose}, with {listed} set in the shell:" if names else f"{purpose}:"
    return "\n".join([first, *map(_text, commands)])


def _text(words: Command) -> str:
    """Return a command as a shell takes it, in several lines if it is long."""
    parts: list[str] = []
    for word in map(_word, words):
        # An option stands on one line with its value.
        if parts and parts[-1].startswith("-") and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > _WIDTH:
            lines.append("")
        lines[-1] += f"{part} "
    return "  " + "\\\n      ".join(lines).rstrip()


def _word(word: str) -> str:
    if isinstance(word, Variable):
        return f'"${word}"'
    return word if word == "&&" else quote(word)


def in_output(project: Project) -> Command:
    """Return the beginning of a command that runs in the output folder."""
    return () if project.in_place else ("cd", str(project.output), "&&")


def service_name(project: Project) -> str:
    """Return a name for what is deployed: the project's, in the form that platforms agree on.

    Cloud Run's is the strictest: letters, digits and hyphens, a letter first, below 50 characters.
    """
    name = str(project.pyproject.project.get("name") or project.root.resolve().name).lower()
    words = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    return re.sub(r"^(?![a-z])", "app-", words)[:49].rstrip("-")


def joined(environment: Mapping[str, str]) -> str:
    """Return environment variables as one argument of gcloud ("gcloud topic escaping")."""
    text = "".join(environment.values())
    separator = next(mark for mark in _separators() if mark not in text)
    pairs = separator.join(f"{name}={value}" for name, value in environment.items())
    return pairs if separator == "," else f"^{separator}^{pairs}"


def _separators() -> Iterable[str]:
    """Yield what can stand between values: a comma, which needs no mention, or another mark."""
    yield from ",;|@#~"
    yield from map(chr, range(0x2500, 0x2600))
