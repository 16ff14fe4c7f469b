"""Bytecode for a folder that is read-only at run time.

Without it, Python compiles each module at each cold start, because it cannot keep the result.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

_PROGRAM = Path(__file__).with_name("compile_program.py")


class PackageBytecode(NamedTuple):
    """The bytecode of one package.

    Attributes:
        name: The package.
        files: The files by their path in the function.
        size: Their bytes.
        gain: The bytes of the sources that the application imports and that need not be compiled.
    """

    name: str
    files: Mapping[str, Path]
    size: int
    gain: int


def compile_packages(
    python: str, packages: Mapping[str, Mapping[str, Path]], folder: Path
) -> dict[str, dict[str, Path]]:
    """Compile the modules of packages, and return the files of each by their path.

    What `marshal` writes depends on the objects that a process has. So each package is compiled by
    a process of its own, in a fixed order and with a fixed hash seed: the same files give the same
    bytes, whatever other packages there are.

    Args:
        python: The interpreter of the target.
        packages: The files of each package by their path in the function.
        folder: An empty folder to work in.
    """

    def compiled(number: int, files: Mapping[str, Path]) -> dict[str, Path]:
        sources = [[str(file), path] for path, file in sorted(files.items()) if path[-3:] == ".py"]
        if not sources:
            return {}
        made = folder / str(number)
        listing = folder / f"{number}.json"
        listing.write_text(json.dumps(sources), "utf-8")
        environment = {"PYTHONHASHSEED": "0"}
        if "SYSTEMROOT" in os.environ:  # without which Python does not start on Windows
            environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        # -P: the modules beside the program are not importable from it.
        command = [python, "-B", "-P", "-s", "-S", "-X", "utf8", str(_PROGRAM)]
        done = subprocess.run(
            [*command, str(made), str(listing)],
            env=environment, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise click.ClickException(f"{python} cannot compile bytecode: {last}.")
        return {
            file.relative_to(made).as_posix(): file
            for file in sorted(made.rglob("*.pyc"))
        }  # fmt: skip

    folder.mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(compiled, range(len(packages)), packages.values())
        return dict(zip(packages, made, strict=True))


def measured(
    packages: Mapping[str, Mapping[str, Path]],
    compiled: Mapping[str, Mapping[str, Path]],
    imported: Collection[str] | None,
) -> list[PackageBytecode]:
    """Return the bytecode of each package with its size and what it gains.

    Args:
        imported: The paths of the sources that a cold start imports; None if that is not known.
    """
    result = []
    for name, files in compiled.items():
        size = sum(file.stat().st_size for file in files.values())
        sources = {path: file for path, file in packages[name].items() if path.endswith(".py")}
        used = sources if imported is None else sources.keys() & set(imported)
        result.append(
            PackageBytecode(name, files, size, sum(sources[path].stat().st_size for path in used))
        )
    return result


def fitting(
    bytecode: Sequence[PackageBytecode], room: int
) -> tuple[list[PackageBytecode], list[PackageBytecode]]:
    """Return the bytecode that fits into a number of bytes, and the rest, which gains less.

    The gain is that of each byte, so that a large package with little in use is left out first.
    """
    ordered = sorted(
        bytecode, key=lambda one: (-one.gain / max(one.size, 1), one.size, one.name)
    )  # fmt: skip
    taken: list[PackageBytecode] = []
    left: list[PackageBytecode] = []
    for one in ordered:
        if one.size <= room:
            room -= one.size
            taken.append(one)
        else:
            left.append(one)
    return taken, left
