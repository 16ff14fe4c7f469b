"""`unigate dev` warns about applications that answer only 404 below a prefix."""

from __future__ import annotations

from typing import Any

import pytest

import unigate
from tests.samples import load
from unigate import Gateway
from unigate.cli.dev.functions import Here


async def ignoring(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an application with the one route /users that ignores `root_path`."""
    status = 200 if scope["path"] == "/users" else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """Answer as one that puts SCRIPT_NAME before its path."""
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    start_response("200 OK" if path == "/users" else "404 Not Found", [])
    return []


def warnings(caplog: pytest.LogCaptureFixture, gateway: Gateway, *paths: str) -> list[str]:
    """Send requests, and return the warnings."""
    function = Here(gateway)
    for path in paths:
        function({"httpMethod": "GET", "path": path}, lambda report: None)
    return [record.getMessage() for record in caplog.records]


def gateway(app: Any, **options: Any) -> Gateway:
    return unigate.wrap(app, lifespan="off", **options)


MOUNTED = {"/v2": ignoring}


def test_the_third_404_and_no_other_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    app = gateway(None, mounts=MOUNTED)
    assert warnings(caplog, app, "/v2/users", "/v2/") == []
    [warning] = warnings(caplog, app, *["/v2/users"] * 10)
    assert "All 3 requests below /v2 were a 404" in warning
    assert "unigate.without_prefix" in warning


def test_a_wsgi_application_is_warned_about_with_what_helps_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [warning] = warnings(caplog, gateway(None, mounts={"/v2": wsgi}), *["/v2/users"] * 3)
    assert "keep_root_path=False" in warning


@pytest.mark.parametrize(
    "app",
    [
        gateway(ignoring),
        gateway(None, mounts={"/v2": unigate.without_prefix(ignoring)}),
        gateway(None, mounts={"/v2": unigate.without_prefix(wsgi, keep_root_path=False)}),
        gateway(None, mounts={"/v3": ignoring}),
        gateway(wsgi),
    ],
)
def test_others_are_not_warned_about(caplog: pytest.LogCaptureFixture, app: Gateway) -> None:
    assert warnings(caplog, app, "/v2/users", *["/v2/nothing"] * 5) == []


def test_each_prefix_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    app = gateway(ignoring, mounts={**MOUNTED, "/v3": ignoring}, base_path="/shop")
    paths = [f"/shop{prefix}/users" for prefix in ("", "/v2", "/v3")]
    found = warnings(caplog, app, *paths * 3)
    assert [warning.split()[4] for warning in found] == ["/shop", "/shop/v2", "/shop/v3"]


def test_a_stage_is_a_prefix(caplog: pytest.LogCaptureFixture) -> None:
    function = Here(gateway(ignoring))
    event = load("rest_api/multi_value")
    for _ in range(3):
        function(event, lambda report: None)
    [record] = caplog.records
    assert f"below /{event['requestContext']['stage']} were" in record.getMessage()
