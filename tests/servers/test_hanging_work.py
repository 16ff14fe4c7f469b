"""Background work that never ends, on servers: they answer other requests, and they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from .client import ask
from .processes import Server
from .test_servers import command


@pytest.mark.parametrize("work", ["call", "coroutine", "again"])
@pytest.mark.parametrize(
    "name", ["uvicorn", "gunicorn-uvicorn", "hypercorn", "gunicorn-gthread", "waitress"]
)
def test_work_that_never_ends_keeps_no_server(name: str, work: str, tmp_path: Path) -> None:
    with Server(command(name, "hanging_app"), tmp_path / "log") as server:
        server.wait_until_it_listens()
        for _ in range(5):  # more than the server has threads
            assert ask(server.port, f"/{work}", fields=[("Connection", "close")]).status == 200
        assert ask(server.port, "/").body == b"ok"
        server.wait_for_output("goes on in the background", 5)

        output = server.stop()

    # waitress leaves SIGTERM to Python, which ends without another word.
    assert name == "waitress" or output.count("is dropped: ") >= 5, output
