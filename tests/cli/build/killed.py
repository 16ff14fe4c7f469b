"""Kill builds at each of their steps, and recoveries; a program without threads, because it forks.

It prints, as JSON, how often a build and a recovery were killed, and every wrong outcome.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from unigate.cli.build import writing
from unigate.cli.build.plan import GeneratedFile

# The audit events of what moves and removes files.
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
MOST = 200

State = dict[str, bytes | str | None]


def generate(folder: Path) -> Path:
    (folder / "made").write_bytes(b"2")
    return folder / "made"


OLD = {
    "kept": b"1", "changed": b"1", "stale": b"1", "m/stale": b"1", "m/n/stale": b"1",
    "file-to-folder": b"1",
}  # fmt: skip
NEW = {
    "kept": b"1", "changed": b"2", "added": b"2", "new/deep/added": b"2", "m/added": b"2",
    "file-to-folder/x": b"2", "mine": b"2", "link": b"2",
    "generated": GeneratedFile(generate, ()),
}  # fmt: skip


def before(output: Path) -> None:
    """Make an output folder with an earlier build and files of the user."""
    shutil.rmtree(output, ignore_errors=True)
    writing.write(OLD, output, "aws")
    (output / "mine").write_bytes(b"mine")
    (output / "m/mine").write_bytes(b"mine")
    (output / "link").symlink_to("mine")


def build(output: Path) -> None:
    writing.write(NEW, output, "aws", force=True)


def state(output: Path) -> State:
    """Return what is below a folder: the bytes of files, where links lead, None for folders."""
    return {
        place.relative_to(output).as_posix(): (
            f"-> {os.readlink(place)}" if place.is_symlink()
            else place.read_bytes() if place.is_file() else None
        )
        for place in output.rglob("*")
    }  # fmt: skip


def killed(action: Callable[[Path], None], output: Path, step: int) -> bool:
    """Call in a child that is killed before a step; return False if it ended earlier."""
    child = os.fork()
    if child == 0:
        left = step

        def kill(event: str, args: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and str(output) in str(args[0]):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        action(output)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0


def main(folder: Path) -> None:
    output, copy = folder / "out", folder / "copy"
    before(output)
    old = state(output)
    build(output)
    new = state(output)
    wrong: list[str] = []
    builds = recoveries = 0
    for step in range(MOST):
        before(output)
        if not killed(build, output, step):
            break
        builds += 1
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(output, copy, symlinks=True)
        # All pairs of steps would take a minute. Without a journal, a recovery moves nothing.
        swapping = any(output.glob(".unigate-stage-*/journal.json"))
        for again in range(step % 8 if swapping else MOST, MOST + 1, 8):
            shutil.rmtree(output)
            shutil.copytree(copy, output, symlinks=True)
            interrupted = killed(writing.recover_output, output, again)
            recoveries += interrupted
            writing.recover_output(output)
            if state(output) not in (old, new):
                wrong.append(f"killed at {step} and {again}: {sorted(state(output))}")
            if not interrupted:
                break
        build(output)
        if state(output) != new:
            wrong.append(f"killed at {step}, then built: {sorted(state(output))}")
    print(json.dumps({"builds": builds, "recoveries": recoveries, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
