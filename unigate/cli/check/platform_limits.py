"""Where a project is deployed, as far as its files say it, and what those platforms take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from unigate.cli.build import aws, bundle, vercel
from unigate.cli.build.writing import read_record
from unigate.cli.project.core import Project
from unigate.cli.vercel.project import Vercel

from .requirements import Need


class Platform(NamedTuple):
    """The versions of Python that a platform has, and how many bytes a function may have there."""

    name: str
    pythons: tuple[str, ...]
    most_bytes: int


LAMBDA = Platform("Lambda", aws.PYTHONS, bundle.MOST_BYTES)
# Vercel, "Vercel Functions limits": 500 MB uncompressed for Python. What does not fit into the 225
# MiB of a zip is installed when a function starts (@vercel/python 25); a large function, which a
# project has to ask for with VERCEL_SUPPORT_LARGE_FUNCTIONS, may have more.
VERCEL = Platform("Vercel", vercel.PYTHONS, 500 * 2**20)
# It cannot be installed later where a command of the project's own installs it.
VERCEL_ZIP = VERCEL._replace(most_bytes=225 * 2**20)

_AWS_FILES = (
    "cdk.json", "samconfig.toml", "serverless.yaml", "serverless.yml", "template.yaml",
    "template.yml", "zappa_settings.json",
)  # fmt: skip
_OTHERS = {"azure-functions", "functions-framework"}


def platforms_of(
    project: Project, needs: Iterable[Need], on_vercel: Vercel | None
) -> list[Platform]:
    """Return the platforms whose limits hold; Lambda's where nothing says where it goes.

    Azure and Google have no such limits.
    """
    found = []
    if on_vercel is not None:
        found.append(VERCEL_ZIP if on_vercel.told.get("installCommand") else VERCEL)
    built = read_record(project.root)
    if "aws" in project.settings or any((project.root / name).is_file() for name in _AWS_FILES):
        found.append(LAMBDA)
    elsewhere = found or "azure" in built or "google" in built
    elsewhere = elsewhere or any(need.name in _OTHERS for need in needs)
    return found if elsewhere else [LAMBDA]
