"""A choice of the command line that names the nearest value of a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from unigate.nearest import did_you_mean

# Click 8.1 has no type parameter.
if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice


class Choice(_Choice):
    """`click.Choice` with "Did you mean ...?" at the end of its message."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            message = error.message + did_you_mean(value, self.choices)
            raise click.BadParameter(message, ctx, param) from None
