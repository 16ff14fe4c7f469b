"""Packages with compiled parts or data of their own, imported from the zip for AWS."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import Build

PYTHON = f"3.{sys.version_info.minor}"
# What each of them reads at run time, among it stubs, tests and data.
PACKAGES = {
    "astropy": "from astropy import coordinates, units; print((1 * units.m).to(units.km))",
    "cryptography": "from cryptography.fernet import Fernet; Fernet(Fernet.generate_key())",
    "lxml": "from lxml import etree, isoschematron; etree.fromstring('<a/>')",
    "pandas": "import pandas; assert pandas.DataFrame({'a': [1, 2]}).sum()['a'] == 3",
    "psycopg[binary]": "import psycopg; assert psycopg.pq.__impl__ == 'binary'",
    "pydantic": "import pydantic; pydantic.TypeAdapter(list[int]).validate_python(['1'])",
    "scikit-image": "import skimage; skimage.color.rgb2gray; skimage.filters.gaussian",
    "sqlalchemy": "import sqlalchemy; sqlalchemy.create_engine('sqlite://').connect()",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_imported_from_the_zip(build: Build, tmp_path: Path, package: str) -> None:
    out = build("main:app", "--target", "aws", files={
        "requirements.txt": f"unigate\nflask\nfastapi\n{package}\n",
        "pyproject.toml": f'[tool.unigate]\npython = "{PYTHON}"\n',
    })  # fmt: skip
    with zipfile.ZipFile(out / "function.zip") as archive:
        archive.extractall(out / "task")
        assert any(name.endswith(".pyc") for name in archive.namelist())
    code = f"import sys; sys.path.insert(0, {str(out / 'task')!r}); {PACKAGES[package]}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], cwd=tmp_path, capture_output=True,
        text=True, timeout=300, env={"HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
