"""What each platform allows: versions of Python, memory, time and size. The only table of them.

Sources, read in November 2026:

* aws: AWS, Lambda developer guide, "Lambda quotas", "Lambda runtimes", "Lambda Managed Instances"
  and "Configure Lambda function timeout".
* vercel: Vercel, "Vercel Functions limits" (4 GB and 1,800 s are those of a paid plan,
  more than 800 s a beta since June 2026; 500 MB uncompressed for Python) and "Python runtime".
  What does not fit into a zip of 225 MiB is installed when a function starts (@vercel/python), so
  that only dependencies may be larger.
* google: Google, Cloud Run functions, "Quotas", "Configure memory limits" and "Python runtime".
* azure: Microsoft, "Azure Functions hosting options" (functionTimeout has no maximum on the Flex
  Consumption and Premium plans; memory belongs to the function app) and "Supported languages",
  where 3.14 is a preview without the remote build that installs the requirements.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from .requires_python import allows

MIB = 2**20


class Platform(NamedTuple):
    """The limits of a platform; None for one that it does not have.

    Attributes:
        name: The name for messages.
        pythons: The versions of Python that it supports, and this library too.
        memory: The least and the most memory, in MiB.
        timeout: The longest time of a request, in seconds.
        max_bytes: The size of a function with its dependencies, unpacked.
        max_own_bytes: The size of the project's own files.
    """

    name: str
    pythons: tuple[str, ...]
    memory: tuple[int, int] | None = None
    timeout: int | None = None
    max_bytes: int | None = None
    max_own_bytes: int | None = None


PLATFORMS: Mapping[str, Platform] = {
    "aws": Platform(
        "Lambda", ("3.11", "3.12", "3.13", "3.14"), (128, 10240), 900, 250 * MIB, 250 * MIB
    ),
    "vercel": Platform("Vercel", ("3.12", "3.13", "3.14"), (128, 4096), 1800, 500 * MIB, 225 * MIB),
    "google": Platform(
        "Google Cloud Functions", ("3.11", "3.12", "3.13", "3.14"), (128, 32768), 3600
    ),
    "azure": Platform("Azure Functions", ("3.11", "3.12", "3.13")),
}
ANY = Platform("This library", ("3.11", "3.12", "3.13", "3.14"))
# With more than 900 seconds only for what is not a request: asynchronous calls and event sources.
_MANAGED_INSTANCES = PLATFORMS["aws"]._replace(
    name="Lambda's managed instances", memory=(2048, 32768), timeout=5400
)


def platform_for(name: str | None, settings: Mapping[str, Any]) -> Platform:
    """Return what a platform allows a project with these settings.

    Args:
        name: The target of a build, None for any.
    """
    if name == "aws" and settings.get("aws", {}).get("capacity_provider"):
        return _MANAGED_INSTANCES
    return PLATFORMS.get(name or "", ANY)


def check_limits(platform: Platform, limits: Mapping[str, Any], place: str) -> None:
    """Raise a ClickException for settings that a platform refuses.

    Args:
        limits: The settings memory and timeout that are given.
        place: The table that they are in, for messages.
    """
    memory, timeout = limits.get("memory"), limits.get("timeout")
    if memory is not None and platform.memory is not None:
        least, most = platform.memory
        if not least <= memory <= most:
            raise click.ClickException(
                f"{place}.memory must be from {least} to {most} MiB on {platform.name}, "
                f"got {memory}."
            )
    if timeout is not None and platform.timeout is not None and timeout > platform.timeout:
        raise click.ClickException(
            f"{place}.timeout must be at most {platform.timeout} seconds on {platform.name}, "
            f"got {timeout}."
        )


def check_size(platform: Platform, own: int, total: int | None = None) -> None:
    """Raise a ClickException for a function that is too large.

    Args:
        own: The bytes of the project's files.
        total: The bytes with the dependencies, if they are known.
    """
    for size, limit, what in (
        (own, platform.max_own_bytes, "The project's files have"),
        (total or 0, platform.max_bytes, "The function has"),
    ):
        if limit is not None and size > limit:
            raise click.ClickException(
                f"{what} {size / MIB:.1f} MB, and the limit on {platform.name} is "
                f"{limit / MIB:.0f} MB unpacked: leave files out with tool.unigate.exclude, or "
                "require fewer packages."
            )


def choose_python(platform: Platform, pinned: tuple[str, str] | None, required: str) -> str:
    """Return the minor version of Python to build for, such as "3.12".

    It is the pinned one, else that of the running interpreter, else the oldest one that both the
    platform and the project allow.

    Args:
        pinned: A version that the project names, and where it does.
        required: The project's requires-python (PEP 440), or "".

    Raises:
        click.ClickException: No version is allowed by both, or `required` is no specifier.
    """
    supported = f"{platform.name} supports Python {', '.join(platform.pythons)}"
    allowed = [python for python in platform.pythons if allows(required, python)]
    if pinned is not None:
        version, place = pinned
        minor = re.match(r"(?:cpython-)?(3\.\d+)", version)
        if minor is None:
            raise click.ClickException(f'{place} must be a version like "3.12", got {version!r}.')
        if minor[1] not in platform.pythons:
            raise click.ClickException(f"{supported}, got {minor[1]} from {place}.")
        if minor[1] not in allowed:
            raise click.ClickException(
                f"{place} must be allowed by requires-python {required!r}, got {minor[1]}."
            )
        return minor[1]
    if not allowed:
        raise click.ClickException(f"{supported}, but requires-python is {required!r}.")
    running = f"3.{sys.version_info.minor}"
    return running if running in allowed else allowed[0]
