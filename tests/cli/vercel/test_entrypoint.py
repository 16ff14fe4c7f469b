"""The name that Vercel deploys of a file; tests/builds compares with Vercel's own package."""

from __future__ import annotations

import pytest

from tests.cli.entrypoints import SOURCES
from unigate.cli.vercel.entrypoint import find_entrypoint


@pytest.mark.parametrize(("source", "name"), SOURCES)
def test_the_name_that_is_deployed(source: str, name: str | None) -> None:
    entry = find_entrypoint(source)
    assert (entry[0] if entry else None) == name


def test_the_statement_is_the_first_one() -> None:
    entry = find_entrypoint(
        "import unigate\nfrom shop import application\napp = unigate.wrap(application)"
    )
    assert entry is not None
    assert entry[1].lineno == 2
