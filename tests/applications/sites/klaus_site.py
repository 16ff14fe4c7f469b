"""klaus: git repositories to look at, to clone and to push to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FOLDER = Path(os.environ["SITE_FOLDER"])
REPOSITORY = FOLDER / "site.git"
# The same commits, and so the same hashes, in every run.
AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@shop.example",
    "GIT_AUTHOR_DATE": "2024-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@shop.example",
    "GIT_COMMITTER_DATE": "2024-01-02T03:04:05Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(*arguments: str, cwd: Path) -> str:
    """Run git and return what it prints."""
    ran = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={**os.environ, **AUTHOR},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ran.stdout


def prepare() -> None:
    """Make a repository with two commits, a tag, and a file of 300 kB."""
    work = FOLDER / "work"
    git("init", "--quiet", "--initial-branch=main", str(work), cwd=FOLDER)
    (work / "read me.md").write_text("# A repository\n\nGrößer als ASCII.\n")
    (work / "folder").mkdir()
    (work / "folder" / "café.txt").write_text("one\n")
    git("add", ".", cwd=work)
    git("commit", "--quiet", "--message=Begin", cwd=work)
    (work / "large.bin").write_bytes(b"".join(bytes([n % 251, n % 241]) for n in range(150_000)))
    git("add", ".", cwd=work)
    git("commit", "--quiet", "--message=Add a large file", cwd=work)
    git("tag", "v1", cwd=work)
    git("clone", "--quiet", "--bare", str(work), str(REPOSITORY), cwd=FOLDER)
    (REPOSITORY / "description").write_text("a repository\n")


if REPOSITORY.exists():
    from klaus import make_app

    application = make_app(
        [str(REPOSITORY)], "a site", use_smarthttp=True, unauthenticated_push=True
    )
