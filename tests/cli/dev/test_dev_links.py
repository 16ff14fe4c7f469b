"""Links of applications lead back to `unigate dev`, at a stage, at a base path and at the root."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import override_settings

import unigate
from tests.apps.linked_sites import (
    APPLICATIONS,
    assert_documentation_works,
    assert_links_lead_back,
)
from unigate.cli.dev.local_host import STAGED, Setup
from unigate.emulator import EVENT_SOURCES

from .inspecting import ORIGIN, Inspected

# Their events do not name the scheme, which is "https" on these platforms and "http" here.
WITHOUT_SCHEME = {"alibaba", "generic", "lattice", "lattice_v1", "openwhisk", "tencent", "yandex"}
SOURCES = [source for source in EVENT_SOURCES if source not in WITHOUT_SCHEME]
SETUPS = {
    **{f"{source}, stage": Setup(source, stage="/prod") for source in STAGED},
    **{f"{source}, base path": Setup(source, base_path="/shop") for source in SOURCES},
    **{f"{source}, root": Setup(source) for source in SOURCES},
}


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    middleware = ["django.middleware.common.CommonMiddleware"]
    with override_settings(ROOT_URLCONF="tests.apps.linked_sites", MIDDLEWARE=middleware):
        yield


@pytest.mark.parametrize("app", APPLICATIONS)
@pytest.mark.parametrize("name", SETUPS)
def test_links_and_redirects_lead_back(name: str, app: str) -> None:
    setup = SETUPS[name]
    gateway = unigate.wrap(APPLICATIONS[app](), lifespan="off", base_path=setup.base_path)
    inspected = Inspected(gateway, setup)

    def get(url: str) -> Any:
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == ORIGIN, url
        answer = inspected.ask(parts._replace(scheme="", netloc="").geturl())
        headers = {name.lower(): value for name, value in answer.headers}
        return SimpleNamespace(
            status_code=answer.status, headers=headers, text=answer.body.decode()
        )

    assert_links_lead_back(get, ORIGIN + setup.mount)
    if app == "fastapi":
        assert_documentation_works(get, ORIGIN + setup.mount)
