"""The pytest plugin: a fixture `unigate_client` with a test client for the project's application.

Enable it with `pytest_plugins = ["unigate.pytest_plugin"]` in conftest.py. It is not an entry
point, because that would import unigate in every pytest run before coverage is measured, and pytest
would then rewrite the assertions of the whole package.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from .errors import UnknownInterface
from .import_strings import ImportStringError, import_from
from .lambda_runtime.wrapped import handler_of
from .testing import Client


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's settings to pytest's configuration file."""
    parser.addini("unigate_app", 'the application of unigate_client: "package.module:attribute"')
    parser.addini(
        "unigate_source", "the event source or server of unigate_client", default="http_api"
    )


@pytest.fixture(scope="session")
def unigate_app(pytestconfig: pytest.Config) -> Any:
    """The application that the setting `unigate_app` names; override it to supply another.

    It is looked for in pytest's root folder first.
    """
    target = pytestconfig.getini("unigate_app")
    if not target:
        pytest.fail(
            'The application is not configured: set unigate_app = "main:app" in pytest\'s '
            "configuration, or define a fixture unigate_app.",
            pytrace=False,
        )
    root = str(pytestconfig.rootpath)
    if root not in sys.path:  # as the command line does with the current folder
        sys.path.insert(0, root)
    try:
        return handler_of(import_from(target))[0]  # the same gateway for all clients
    except (ImportStringError, UnknownInterface) as error:
        pytest.fail(f"unigate_app: {error}", pytrace=False)


@pytest.fixture
def unigate_client(unigate_app: Any, request: pytest.FixtureRequest) -> Client:
    """A new `unigate.testing.Client` for `unigate_app`.

    The setting `unigate_source` chooses its source, or an indirect parameter:
    `@pytest.mark.parametrize("unigate_client", ["alb", "rest_api"], indirect=True)`.
    """
    source = getattr(request, "param", request.config.getini("unigate_source"))
    return Client(unigate_app, source)
