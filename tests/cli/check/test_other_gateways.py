"""`unigate check`: gateways of other libraries in the sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import project, write
from unigate.cli.check.other_gateways import check_other_gateways

from .checking import GOOD, PYPROJECT, check


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch, GOOD) as made:
        yield made


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from mangum import Mangum\nhandler = Mangum(1)", "Mangum"),
        ("from mangum import Mangum\nlambda_handler = Mangum(1, lifespan='off')", "Mangum"),
        ("from mangum import Mangum as M\ndef make():\n    return M(1)", "Mangum"),
        ("import mangum\nhandler: object = mangum.Mangum(1)", "Mangum"),
        ("import mangum as m\nhandler = m.Mangum(1)", "Mangum"),
        (
            "try:\n    from mangum import Mangum\nexcept ImportError:\n    pass\nh = Mangum(1)",
            "Mangum",
        ),
        ("import apig_wsgi\nhandler = apig_wsgi.make_lambda_handler(1)", "make_lambda_handler"),
        ("from apig_wsgi import make_lambda_handler as make\nh = make(1)", "make_lambda_handler"),
        (
            "import serverless_wsgi\ndef handler(event, context):\n"
            "    return serverless_wsgi.handle_request(1, event, context)",
            "handle_request",
        ),
        ("import awsgi\ndef f(e, c):\n    return awsgi.response(1, e, c)", "response"),
        ("from agraffe import Agraffe\nh = Agraffe.entry_point(1)", "entry_point"),
        ("from a2wsgi import ASGIMiddleware\napp = ASGIMiddleware(1)", "ASGIMiddleware"),
        ("import a2wsgi\napplication: object = a2wsgi.WSGIMiddleware(1)", "WSGIMiddleware"),
        ("from asgiref.wsgi import WsgiToAsgi\napp = WsgiToAsgi(1)", "WsgiToAsgi"),
        ("from a2wsgi import ASGIMiddleware\nbridge = ASGIMiddleware(1)", ""),
        ("from a2wsgi import WSGIMiddleware\nsite.mount('/', WSGIMiddleware(1))", ""),
        ("from .mangum import Mangum\nhandler = Mangum(1)", ""),  # their own
        ("class Mangum: pass\nhandler = Mangum()", ""),
        ("from mangum import Mangum", ""),
        ("import requests\nrequests.get('x').json().response(1)", ""),
        ("{{ no python }", ""),
    ],
)
def test_gateways_of_other_libraries(folder: Path, source: str, found: str) -> None:
    write(folder, {"old.py": source})
    line = len(source.splitlines())
    findings = list(
        check_other_gateways({"old.py": folder / "old.py", "old.txt": folder / "old.txt"})
    )
    assert [(one.kind, one.place, one.message.partition("(")[0]) for one in findings] == (
        [("handler", f"old.py:{line}", found)] if found else []
    )


def test_the_tests_of_a_project_may_use_another_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    source = "import mangum\nhandler = mangum.Mangum(1)\n"
    needs = PYPROJECT.replace('"flask"', '"flask", "mangum"')
    files = {"tests/test_old.py": source, "shop/old.py": source, "pyproject.toml": needs}
    assert check(capsys, files=files) == [("handler", "shop/old.py:2")]
