"""`manage.py unigate`: the program `unigate` for this project's application."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from django_unigate.conf import read

_COMMANDS = ("build", "check", "dev", "invoke", "routes")


class Command(BaseCommand):
    """Run the program `unigate`, by default on this project's application.

    The application is `UNIGATE["APPLICATION"]`, else ASGI_APPLICATION or WSGI_APPLICATION. Another
    one must come right after the command's name: `manage.py unigate dev other:app`.
    """

    help = "Run the program unigate (dev, invoke, build, check, routes) on this project."
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        self.handle(arguments=argv[2:])

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def handle(self, *args: Any, arguments: list[str], **options: Any) -> None:
        from unigate.cli.main import main

        code = main(with_application(arguments), "manage.py unigate")
        if code:
            sys.exit(code)


def with_application(arguments: list[str]) -> list[str]:
    """Return the arguments with the project's application, unless they name one."""
    if not arguments or arguments[0] not in _COMMANDS:
        return arguments
    command, *rest = arguments
    application = _application()
    if application is None or (rest and not rest[0].startswith("-")):
        return arguments
    return [command, application, *rest]


def _application() -> str | None:
    configured = read().application
    path = getattr(settings, "ASGI_APPLICATION", None) or settings.WSGI_APPLICATION
    return configured or (":".join(path.rsplit(".", 1)) if path else None)
