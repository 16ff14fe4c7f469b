"""What a build says about the files that it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from unigate.cli.project.core import Project
from unigate.cli.project.files import IGNORED

_SHOWN = 5  # paths that ignore files leave out
# These get no line: the user chose them, or they never belong in a deployment.
_SILENT = ("exclude", "never", "generated")


def notes_on_left_out(project: Project) -> Iterator[str]:
    """Yield a line for each file that looks like a secret, and one for ignored files."""
    left_out = project.deployed.left_out
    for path, reason in sorted(left_out.items()):
        if reason not in (*_SILENT, IGNORED):
            yield (
                f"Left out {path}, which looks like a secret ({reason}): tool.unigate.include "
                "takes it in."
            )
    ignored = sorted(path for path, reason in left_out.items() if reason == IGNORED)
    if ignored:
        more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
        paths = ", ".join(ignored[:_SHOWN])
        yield (
            f"Left out {paths}{more}, by .gitignore and the like: tool.unigate.include takes "
            "files in."
        )
