"""Links behind the local API Gateway of SAM, which makes the events, with the function in here."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
from tests.servers.processes import Server

SERVICE = """
import json, sys, urllib.request
from samcli.lib.providers.provider import Api
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.route import Route

port, function, kind, version, stage, paths = sys.argv[1:]

class Runner:
    def is_debugging(self):
        return False

    def invoke(self, name, event, stdout, stderr, tenant_id=None):
        with urllib.request.urlopen(function, event.encode(), timeout=60) as reply:
            stdout.write_str(reply.read().decode())

routes = [
    Route("function", path, ["ANY"], kind, version or None, path == "$default")
    for path in paths.split()
]
api = Api(routes)
api.stage_name = stage
service = LocalApigwService(api, Runner(), port=int(port), host="127.0.0.1")
service.create()
service.run()
"""


class Function:
    """Answers events that are posted to its URL.

    Attributes:
        gateway: What answers; set it before the first event.
        events: The events so far.
    """

    gateway: unigate.Gateway

    def __init__(self) -> None:
        self.events: list[Any] = []
        function = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                function.events.append(event)
                reply = json.dumps(function.gateway.lambda_handler(event, None)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Function:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


def get(url: str) -> Any:
    """Request a URL as a browser does, without following redirects."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts._replace(scheme="", netloc="").geturl())
        response = connection.getresponse()
        text = response.read().decode()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return SimpleNamespace(status_code=response.status, headers=headers, text=text)
    finally:
        connection.close()


KINDS = {
    "rest_api": ("Api", "", "/ /{proxy+}"),
    "http_api": ("HttpApi", "2.0", "/ /{proxy+}"),
    "http_api, default route": ("HttpApi", "2.0", "$default"),
    "http_api, payload 1.0": ("HttpApi", "1.0", "/ /{proxy+}"),
}


@pytest.mark.parametrize(
    ("stage", "base"), [("$default", ""), ("dev", ""), ("dev", "/shop"), ("dev", "/dev")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_links_lead_back(sam: Path, tmp_path: Path, kind: str, stage: str, base: str) -> None:
    """SAM serves every stage at the root; a base path is a part of the API's paths."""
    name, version, paths = KINDS[kind]
    settings: dict[str, Any] = {"base_path": base, "lifespan": "off"}
    if "$default" not in paths:
        paths = " ".join(base + path for path in paths.split())
    elif base == f"/{stage}":  # nothing in the event tells it from the stage
        settings["stage"] = "ignore"
    middleware = ["django.middleware.common.CommonMiddleware"]
    with (
        override_settings(ROOT_URLCONF="tests.apps.linked_sites", MIDDLEWARE=middleware),
        Function() as function,
    ):
        arguments = [SERVICE, "{port}", function.url, name, version, stage, paths]
        quoted = [text.replace("{", "{{").replace("}", "}}") for text in arguments]
        quoted[1] = "{port}"
        with Server([str(sam / "python"), "-c", *quoted], tmp_path / "log") as server:
            server.wait_until_it_listens()
            root = f"http://127.0.0.1:{server.port}{base}"
            for app in APPLICATIONS.values():
                function.gateway = unigate.wrap(app(), **settings)
                assert_links_lead_back(get, root)
            function.gateway = unigate.wrap(APPLICATIONS["fastapi"](), **settings)
            assert_documentation_works(get, root)
    assert {event["requestContext"]["stage"] for event in function.events} == {stage}
