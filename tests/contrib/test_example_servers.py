"""The examples behind real servers, with requests like a browser's."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.cache.redis_server import Server as RedisServer
from tests.servers.processes import Server, module
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket")
UVICORN = ("uvicorn", "--host=127.0.0.1", "--port={port}")
SERVERS = {
    "gunicorn sync": (*GUNICORN, "api.index:app"),
    "gunicorn gthread": (*GUNICORN, "--worker-class=gthread", "--threads=4", "api.index:app"),
    "uvicorn": (*UVICORN, "api.index:app"),
    "uvicorn, Django ASGI": (*UVICORN, "guestbook_asgi:app"),
}
VISITS = 80
# The example with Django's ASGI application in the gateway.
ASGI_MODULE = """
import unigate
from guestbook.asgi import application as inner
app = unigate.wrap(inner)
"""
ADMIN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "tea",
    "DJANGO_SUPERUSER_EMAIL": "ada@guestbook.example",
}

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Create a database with a superuser, and return the environment variables of the project."""
    folder = tmp_path_factory.mktemp("guestbook")
    (folder / "guestbook_asgi.py").write_text(ASGI_MODULE)
    paths = [str(ROOT), str(ROOT / "contrib"), str(ROOT / "example_django"), str(folder)]
    variables = {
        "PYTHONPATH": os.pathsep.join(paths),
        "DJANGO_SETTINGS_MODULE": "guestbook.settings",
        "DJANGO_DATABASE": str(folder / "entries.sqlite3"),
        "DJANGO_SECRET_KEY": "only for tests",
    }
    for command in (["migrate", "--verbosity=0"], ["createsuperuser", "--noinput"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT / "example_django",
            env={**os.environ, **variables, **ADMIN},
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
    return variables


@pytest.fixture(scope="module", params=SERVERS)
def guestbook(
    request: pytest.FixtureRequest,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "log"
    command = module(*SERVERS[request.param])
    with Server(command, log, env=environment, cwd=ROOT / "example_django") as server:
        server.wait_until_it_listens()
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="module", params=[name for name in SERVERS if "Django" not in name])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "log"
    paths = [str(ROOT), str(ROOT / "contrib"), str(ROOT / "example_flask")]
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    with Server(module(*SERVERS[request.param]), log, env=environment) as server:
        server.wait_until_it_listens()
        yield f"http://127.0.0.1:{server.port}"


def browser(base: str) -> httpx.Client:
    return httpx.Client(base_url=base, headers={"origin": base}, follow_redirects=True, timeout=20)


def send(client: httpx.Client, url: str, **fields: str) -> httpx.Response:
    """Fetch the form of a page and send it back."""
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(url).text)[0]
    return client.post(url, data={"csrfmiddlewaretoken": token, **fields})


def test_a_guest_signs_once_and_is_thanked_once(guestbook: str) -> None:
    with browser(guestbook) as client:
        page = send(client, "/", name="Zoë", message="Tea, please: 茶")
        assert page.status_code == 200
        assert "<li>Thank you, Zoë.</li>" in page.text
        assert "<p>Tea, please: 茶</p>" in page.text
        assert "Thank you" not in client.get("/").text


def test_a_form_from_elsewhere_is_refused(guestbook: str) -> None:
    with browser(guestbook) as client:
        client.headers["origin"] = "http://elsewhere.example"
        assert send(client, "/", name="Mallory", message="Boo").status_code == 403
        assert "Mallory" not in client.get("/").text


def test_the_admin_from_login_to_logout(guestbook: str) -> None:
    with browser(guestbook) as client:
        assert client.get("/admin/").url.path == "/admin/login/"
        wrong = send(client, "/admin/login/", username="ada", password="coffee")
        assert "Please enter the correct username" in wrong.text

        right = send(client, "/admin/login/?next=/admin/", username="ada", password="tea")
        assert right.url.path == "/admin/"
        assert "sessionid" in client.cookies
        added = send(client, "/admin/guestbook/entry/add/", name="Ada", message="By hand")
        assert added.url.path == "/admin/guestbook/entry/"
        assert "was added successfully" in added.text

        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', added.text)[0]
        client.post("/admin/logout/", data={"csrfmiddlewaretoken": token})
        assert client.get("/admin/").url.path == "/admin/login/"


def test_static_files_ranges_and_conditional_requests(guestbook: str) -> None:
    content = (ROOT / "example_django/guestbook/static/guestbook/style.css").read_bytes()
    with browser(guestbook) as client:
        [link] = re.findall(r'<link rel="stylesheet" href="([^"]*)"', client.get("/").text)
        whole = client.get(link)
        assert (whole.status_code, whole.content) == (200, content)
        part = client.get(link, headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
        condition = {"if-modified-since": whole.headers["last-modified"]}
        assert client.get(link, headers=condition).status_code == 304


def test_an_upload_arrives_unchanged(site: str) -> None:
    content = bytes(range(256)) * 4000
    with browser(site) as client:
        page = client.post("/upload", files={"file": ("bl\u00e4tter.bin", content)})
        assert page.status_code == 200
        assert hashlib.sha256(content).hexdigest() in page.text
        assert client.post("/upload", files={"file": ("x", content * 2)}).status_code == 413


def test_a_stream_arrives_whole(site: str) -> None:
    with browser(site) as client:
        assert client.get("/stream?lines=2").text == "line 1 of 2\nline 2 of 2\n"


def test_visits_are_counted_after_the_response(site: str) -> None:
    def count() -> int:
        [shown] = re.findall(r"Visits before</th><td>(\d+)</td>", client.get("/").text)
        return int(shown)

    with browser(site) as client:
        first = count()
        until(lambda: count() > first)


@pytest.mark.parametrize("server", ["gunicorn gthread", "gunicorn, 4 processes", "uvicorn"])
def test_no_visit_is_lost(server: str, tmp_path: Path) -> None:
    commands = {**SERVERS, "gunicorn, 4 processes": (*GUNICORN, "--workers=4", "api.index:app")}
    paths = [str(ROOT), str(ROOT / "contrib"), str(ROOT / "example_flask")]
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    with ExitStack() as stack:
        if "processes" in server:
            environment["UNIGATE_CACHE_URL"] = stack.enter_context(RedisServer()).url()
        site = Server(module(*commands[server]), tmp_path / "log", env=environment)
        stack.enter_context(site).wait_until_it_listens()
        client = stack.enter_context(browser(f"http://127.0.0.1:{site.port}"))

        def count(_: object = None) -> int:
            [shown] = re.findall(r"Visits before</th><td>(\d+)</td>", client.get("/").text)
            return int(shown)

        with ThreadPoolExecutor(8) as visitors:
            assert len(list(visitors.map(count, range(VISITS)))) == VISITS
        # Each look is a visit itself, and a visit is counted after its response.
        looks = itertools.count(VISITS)
        until(lambda: count() == next(looks))


def test_the_other_application_answers_beside_it(site: str) -> None:
    with browser(site) as client:
        assert client.post("/v2/notes", json={"text": "Tea"}).status_code == 201
        assert client.get("/v2/notes").json() == [{"text": "Tea"}]
