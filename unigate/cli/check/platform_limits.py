"""The limits of the platforms that a project is deployed to, as far as its files show them."""

from __future__ import annotations

from collections.abc import Iterable

from unigate.cli.project.core import Project
from unigate.cli.project.platforms import PLATFORMS, Platform
from unigate.cli.project.record import read_record
from unigate.cli.vercel.project import VercelProject

from .requirements import Requirement

LAMBDA = PLATFORMS["aws"]
VERCEL = PLATFORMS["vercel"]
# With an "installCommand", dependencies cannot be installed when a function starts.
VERCEL_ZIP = VERCEL._replace(max_bytes=VERCEL.max_own_bytes)

_AWS_FILES = (
    "cdk.json", "samconfig.toml", "serverless.yaml", "serverless.yml", "template.yaml",
    "template.yml", "zappa_settings.json",
)  # fmt: skip
_OTHER_FRAMEWORKS = {"azure-functions", "functions-framework"}


def limits_of(
    project: Project, requirements: Iterable[Requirement], vercel_project: VercelProject | None
) -> list[Platform]:
    """Return the limits to check: Lambda's if no file names a platform.

    Azure, containers and Google have no such limits.

    Args:
        vercel_project: None if no file shows that the project is deployed to Vercel.
    """
    limits = []
    if vercel_project is not None:
        own_install = vercel_project.vercel_json.get("installCommand")
        limits.append(VERCEL_ZIP if own_install else VERCEL)
    built = read_record(project.root)
    if "aws" in project.settings or any((project.root / name).is_file() for name in _AWS_FILES):
        limits.append(LAMBDA)
    elsewhere = bool({"azure", "container", "google"} & built.keys())
    elsewhere = elsewhere or any(entry.name in _OTHER_FRAMEWORKS for entry in requirements)
    return limits if limits or elsewhere else [LAMBDA]
