"""The pytest plugin: a fixture `unigate_client` that asks the project's application.

A project takes it with `pytest_plugins = ["unigate.pytest_plugin"]` in its conftest.py. It does not
load itself: an entry point would import unigate in every run of pytest before coverage is measured,
and pytest would then rewrite the assertions of the whole package.
"""

from __future__ import annotations

from typing import Any

import pytest

from .gateway import Gateway, wrap
from .interfaces import import_from
from .testing import Client


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings to those of pytest's configuration file."""
    parser.addini("unigate_app", 'what unigate_client asks: "package.module:attribute"')
    parser.addini("unigate_source", "how it asks: an event source or a server", default="http_api")


@pytest.fixture(scope="session")
def unigate_app(pytestconfig: pytest.Config) -> Any:
    """The application that the setting `unigate_app` names, unless you override this fixture."""
    target = pytestconfig.getini("unigate_app")
    if not target:
        pytest.fail(
            'Which application? Set unigate_app = "main:app" in pytest\'s configuration, '
            "or define a fixture unigate_app.",
            pytrace=False,
        )
    try:
        found = import_from(target)
    except ImportError as error:
        pytest.fail(f"unigate_app = {target!r} cannot be imported: {error}", pytrace=False)
    return found if isinstance(found, Gateway) else wrap(found)


@pytest.fixture
def unigate_client(unigate_app: Any, request: pytest.FixtureRequest) -> Client:
    """A fresh `unigate.testing.Client` of `unigate_app`.

    It asks as the setting `unigate_source` says, or as an indirect parameter does:
    `@pytest.mark.parametrize("unigate_client", ["alb", "rest_api"], indirect=True)`.
    """
    source = getattr(request, "param", request.config.getini("unigate_source"))
    return Client(unigate_app, source)
