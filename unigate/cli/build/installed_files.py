"""The files of installed packages that a function needs."""

from __future__ import annotations

import csv
import fnmatch
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# What the installer wrote for itself. The last two have paths and times of this machine. Other
# metadata is kept, because programs read versions, entry points and the list of files.
_INSTALLERS = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")

# What nothing reads at run time, by package. Each line was tried: every public module of the
# package was imported without these files. Tests of a package need pytest or are run from its
# sources; archives (*.a) and headers need a compiler; gettext reads *.mo, which are made of *.po.
_NOT_READ: Mapping[str, Sequence[str]] = {
    "django": ("*.po",),
    "matplotlib": ("matplotlib/tests/*",),
    "mpl_toolkits": ("mpl_toolkits/*/tests/*",),
    "numpy": ("numpy/*.a", "numpy/tests/*", "numpy/*/tests/*"),
    "pandas": ("pandas/tests/*",),
    "pyarrow": ("pyarrow/include/*", "pyarrow/src/*", "pyarrow/tests/*"),
    "scipy": ("scipy/*/tests/*",),
    "sklearn": ("sklearn/tests/*", "sklearn/*/tests/*"),
    "sympy": ("sympy/*/tests/*",),
}


def installed_files(packages: Path, keep: Sequence[str] = ()) -> dict[str, Path]:
    """Return the files of installed packages that a function needs, by their path.

    Args:
        packages: The folder that they are installed in.
        keep: Patterns of further paths (tool.unigate.keep).
    """
    return {
        path: file
        for path, file in _all_files(packages)
        if any(fnmatch.fnmatch(path, pattern) for pattern in keep) or not _is_unused(path, file)
    }


def _all_files(packages: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(packages.rglob("*")):
        if file.is_file():
            yield file.relative_to(packages).as_posix(), file


def _is_unused(path: str, file: Path) -> bool:
    first, *folders = path.split("/")
    if "__pycache__" in folders:  # bytecode of this machine's Python
        return True
    if first == "bin":
        return _is_script(file)
    if first.endswith(".dist-info"):
        return file.name in _INSTALLERS or "sboms" in folders
    if path == ".lock":  # uv's
        return True
    return any(fnmatch.fnmatch(path, pattern) for pattern in _NOT_READ.get(first, ()))


def _is_script(file: Path) -> bool:
    """Return True for a script that starts the Python of this machine."""
    with file.open("rb") as opened:
        # Where the path of Python is long, the second line has it, for a shell.
        lines = opened.readline(1024) + opened.readline(1024)
    return lines.startswith(b"#!") and b"python" in lines


def packages_of(packages: Path, kept: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Return the kept files of each package, "name version", according to its RECORD."""
    found = {}
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        paths = (row[0] for row in _rows(record))
        found[f"{name} {version}"] = {path: kept[path] for path in paths if path in kept}
    return found


def records_of(packages: Path, kept: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the lists of files of the packages (PEP 376) without those that are left out."""
    records = {}
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        path = record.relative_to(packages).as_posix()
        if path in kept:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(
                sorted(row for row in _rows(record) if row[0] in kept)
            )
            records[path] = text.getvalue().encode()
    return records


def _rows(record: Path) -> list[list[str]]:
    with record.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.reader(lines) if row]
