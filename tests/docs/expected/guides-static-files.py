from __future__ import annotations

import api
import block_1
import django
import main
import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.urls import set_script_prefix

from unigate.testing import Client


@pytest.mark.parametrize("app", [main.app, api.app])
def test_files_arrive(app: object) -> None:
    response = Client(app, source="rest_api").get("/static/site.css")
    assert response.text == "body { margin: 0 }\n"


def test_flask_links_to_them() -> None:
    assert Client(main.app).get("/").text == "/static/site.css"


def test_urls_of_django_have_the_prefix_of_the_request() -> None:
    settings.configure(STORAGES=block_1.STORAGES, STATIC_URL="/static/")
    django.setup()
    set_script_prefix("/prod")
    assert staticfiles_storage.url("site.css") == "/prod/static/site.css"
