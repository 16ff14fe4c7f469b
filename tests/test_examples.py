"""The example projects, each in its own process, through the doors of its gateway."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from html import unescape
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode

import httpx
import pytest
from asgiref.testing import ApplicationCommunicator
from werkzeug.test import Client

import unigate

ROOT = Path(__file__).resolve().parents[1]
HOST = "localhost"
OWN_DOMAIN = "teapot42.execute-api.eu-west-1.amazonaws.com"
DOORS = ["lambda_handler", "wsgi", "asgi"]
# Set here, because tests of the Django plugin set others in the environment of their process.
DJANGO = {"DJANGO_SETTINGS_MODULE": "guestbook.settings", "DJANGO_MIGRATE": "1"}
SOURCES = {"lambda_handler": "http_api", "wsgi": "wsgi", "asgi": "asgi"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def cookies(self) -> str:
        return "; ".join(cookie.partition(";")[0] for cookie in self.all("set-cookie"))


Ask = Callable[..., Answer]


# In the process of the example: each message names a door and the request for it.


class LambdaDoor:
    def __init__(self, app: unigate.Gateway) -> None:
        self.handler = app.lambda_handler

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        cookies = headers.pop("cookie", None)
        stage = "prod" if path.startswith("/prod/") else "$default"
        # On a custom domain, the stage would be no part of the links.
        host = HOST if stage == "$default" else OWN_DOMAIN
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": unquote(path),
            "rawQueryString": query,
            "headers": {"host": HOST, "x-forwarded-proto": "https", **headers},
            "requestContext": {
                "accountId": "000000000042",
                "apiId": "teapot42",
                "domainName": host,
                "http": {"method": method, "path": unquote(path), "sourceIp": "192.0.2.44"},
                "requestId": "steep-1",
                "stage": stage,
            },
            "isBase64Encoded": True,
            "body": b64encode(body).decode(),
        }
        if cookies:
            event["cookies"] = cookies.split("; ")
        reply = self.handler(event, None)
        content = reply.get("body", "")
        fields = [*reply["headers"].items(), *(("set-cookie", c) for c in reply.get("cookies", ()))]
        raw = b64decode(content) if reply["isBase64Encoded"] else content.encode()
        return Answer(reply["statusCode"], fields, raw)

    def close(self) -> None:
        """Do nothing: the gateway stops its applications when the process ends."""


class WsgiDoor:
    def __init__(self, app: unigate.Gateway) -> None:
        self.client = Client(app.wsgi, use_cookies=False)

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        with self.client.open(
            target, f"https://{HOST}", method=method, headers=headers, data=body
        ) as answer:
            return Answer(answer.status_code, list(answer.headers), answer.data)

    def close(self) -> None:
        """Do nothing: the gateway stops its applications when the process ends."""


class AsgiDoor:
    """A server: one event loop with the lifespan, as long as the process, and all requests."""

    def __init__(self, app: unigate.Gateway) -> None:
        self.app = app
        self.runner = asyncio.Runner()
        self.runner.run(self.start())

    async def start(self) -> None:
        asgi = {"version": "3.0", "spec_version": "2.0"}
        self.lifespan = ApplicationCommunicator(
            self.app.asgi, {"type": "lifespan", "asgi": asgi, "state": {}}
        )
        await self.exchange("startup")

    async def exchange(self, phase: str) -> None:
        await self.lifespan.send_input({"type": f"lifespan.{phase}"})
        answer = await self.lifespan.receive_output(10)
        assert answer["type"] == f"lifespan.{phase}.complete", answer

    async def send(self, method: str, target: str, **content: Any) -> Answer:
        transport = httpx.ASGITransport(self.app.asgi)
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{HOST}") as client:
            answer = await client.request(method, target, **content)
        return Answer(answer.status_code, answer.headers.multi_items(), answer.content)

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        return self.runner.run(self.send(method, target, headers=headers, content=body))

    def close(self) -> None:
        with self.runner:
            self.runner.run(self.exchange("shutdown"))


def serve(app: str, folder: str, variables: dict[str, str], messages: Connection) -> None:
    warnings.simplefilter("error")
    os.environ.update(variables)
    os.chdir(folder)
    sys.path.insert(0, folder)
    gateway = importlib.import_module(app).app
    doors: dict[str, LambdaDoor | WsgiDoor | AsgiDoor] = {}
    kinds = {"lambda_handler": LambdaDoor, "wsgi": WsgiDoor, "asgi": AsgiDoor}
    while (message := messages.recv()) is not None:
        door, *rest = message
        if door not in doors:
            doors[door] = kinds[door](gateway)
        messages.send(doors[door].ask(*rest))
    for instance in doors.values():
        instance.close()


def running(app: str, folder: Path, variables: dict[str, str]) -> Iterator[Ask]:
    """Run an example in a new process, which must exit with status 0."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(app, str(folder), variables, there))
    process.start()
    there.close()

    def ask(
        door: str,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes | str = b"",
    ) -> Answer:
        content = body.encode() if isinstance(body, str) else body
        here.send((door, method, target, headers or {}, content))
        assert here.poll(30), f"no answer to {method} {target} through {door}"
        return here.recv()

    try:
        yield ask
        here.send(None)
        process.join(20)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join(20)
        here.close()


@pytest.fixture(scope="module")
def flask_site() -> Iterator[Ask]:
    yield from running("example_flask.api.index", ROOT, {})


@pytest.fixture(scope="module")
def django_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    database = tmp_path_factory.mktemp("guestbook") / "entries.sqlite3"
    variables = DJANGO | {"DJANGO_DATABASE": str(database)}
    yield from running("api.index", ROOT / "example_django", variables)


# Flask and FastAPI


@pytest.mark.parametrize("door", DOORS)
def test_the_flask_page_shows_its_own_request(flask_site: Ask, door: str) -> None:
    answer = flask_site(door, "GET", "/?leaf=gr%C3%BCn", {"user-agent": "kettle/3"})

    assert answer.status == 200
    assert answer.all("content-type") == ["text/html; charset=utf-8"]
    assert f"this request came as <b>{SOURCES[door]}</b>" in answer.text
    assert "<td>leaf=gr%C3%BCn</td>" in answer.text
    assert '<th scope="row">user-agent</th><td>kettle/3</td>' in answer.text


@pytest.mark.parametrize("door", DOORS)
def test_the_flask_page_is_self_contained(flask_site: Ask, door: str) -> None:
    page = flask_site(door, "GET", "/").text

    targets = re.findall(r"""(?:href|src|action)=["']([^"']*)""", page)
    assert len(targets) > 10
    assert not [target for target in targets if re.match(r"(?:https?:)?//", target)]
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize("door", DOORS)
def test_every_link_of_the_flask_page_works(flask_site: Ask, door: str) -> None:
    page = flask_site(door, "GET", "/").text

    links = {unescape(link).partition("#")[0] for link in re.findall(r'<a href="([^"]*)"', page)}
    answers = {link: flask_site(door, "GET", link).status for link in links if "stream" not in link}
    assert answers.pop("/nowhere") == 404
    assert len(answers) > 5
    assert set(answers.values()) == {200}


@pytest.mark.parametrize("door", DOORS)
def test_the_flask_page_hides_possible_credentials(flask_site: Ask, door: str) -> None:
    page = flask_site(door, "GET", "/", {"x-vercel-oidc-token": "s3cr3t"}).text

    assert '<th scope="row">x-vercel-oidc-token</th>' in page
    assert "s3cr3t" not in page


def test_links_carry_the_stage(flask_site: Ask) -> None:
    page = flask_site("lambda_handler", "GET", "/prod/").text

    assert 'action="/prod/form"' in page
    assert 'href="/prod/v2/docs"' in page
    docs = flask_site("lambda_handler", "GET", "/prod/v2/docs").text
    assert "'/prod/v2/openapi.json'" in docs


@pytest.mark.parametrize("door", DOORS)
def test_a_path_is_decoded_once(flask_site: Ask, door: str) -> None:
    assert "<h1>Hello, Zoë 100%!</h1>" in flask_site(door, "GET", "/hello/Zo%C3%AB%20100%25").text


@pytest.mark.parametrize("door", DOORS)
def test_a_form_arrives_as_typed(flask_site: Ask, door: str) -> None:
    body = urlencode({"name": "Zoë & Søren", "message": "1 + 1 = 2"})

    answer = flask_site(door, "POST", "/form", FORM, body)

    assert answer.status == 200
    assert [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", answer.text)] == [
        "Zoë & Søren",
        "1 + 1 = 2",
    ]


@pytest.mark.parametrize("door", DOORS)
def test_two_cookies_make_the_round_trip(flask_site: Ask, door: str) -> None:
    answer = flask_site(door, "POST", "/cookies", FORM, "action=set")
    assert answer.status == 303
    assert answer.cookies() == "visits=1; flavour=oatmeal"

    page = flask_site(door, "GET", "/", {"cookie": answer.cookies()}).text
    assert '<th scope="row">visits</th><td>1</td>' in page
    assert '<th scope="row">flavour</th><td>oatmeal</td>' in page

    headers = FORM | {"cookie": answer.cookies()}
    forgotten = flask_site(door, "POST", "/cookies", headers, "action=forget")
    assert forgotten.cookies() == "visits=; flavour="


@pytest.mark.parametrize("door", DOORS)
def test_an_uploaded_file_arrives_unchanged(flask_site: Ask, door: str) -> None:
    content = bytes(range(256)) * 300
    request = httpx.Request("POST", "https://x/", files={"file": ("leaves.bin", content)})

    answer = flask_site(door, "POST", "/upload", dict(request.headers), request.read())

    assert answer.status == 200
    assert hashlib.sha256(content).hexdigest() in answer.text
    assert flask_site(door, "POST", "/upload").status == 400


@pytest.mark.parametrize("door", DOORS)
def test_a_stream_arrives_whole(flask_site: Ask, door: str) -> None:
    assert flask_site(door, "GET", "/stream?lines=2").text == "line 1 of 2\nline 2 of 2\n"


@pytest.mark.parametrize("door", DOORS)
def test_the_lifespan_runs_once_for_three_requests(flask_site: Ask, door: str) -> None:
    first, second, third = (json.loads(flask_site(door, "GET", "/v2/").body) for _ in range(3))

    assert first["startups"] == second["startups"] == third["startups"]
    assert third["requests"] == second["requests"] + 1 == first["requests"] + 2


@pytest.mark.parametrize("door", DOORS)
def test_a_note_is_kept_by_fastapi(flask_site: Ask, door: str) -> None:
    note = {"text": f"tea through {door}"}
    headers = {"content-type": "application/json"}

    added = flask_site(door, "POST", "/v2/notes", headers, json.dumps(note))

    assert (added.status, json.loads(added.body)) == (201, note)
    assert note in json.loads(flask_site(door, "GET", "/v2/notes").body)
    assert flask_site(door, "POST", "/v2/notes", headers, '{"text": ""}').status == 422


@pytest.mark.parametrize("door", DOORS)
def test_the_docs_of_fastapi_include_the_mount(flask_site: Ask, door: str) -> None:
    assert "'/v2/openapi.json'" in flask_site(door, "GET", "/v2/docs").text
    schema = json.loads(flask_site(door, "GET", "/v2/openapi.json").body)
    assert schema["servers"] == [{"url": "/v2"}]
    assert "/notes" in schema["paths"]


# Django


@pytest.mark.parametrize("door", DOORS)
def test_the_guestbook_and_its_style_are_served(django_site: Ask, door: str) -> None:
    page = django_site(door, "GET", "/")
    style = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page.text)

    assert page.status == 200
    assert f"The request came as <code>{SOURCES[door]}</code>" in page.text
    [answer] = [django_site(door, "GET", href) for href in style]
    assert answer.status == 200
    assert answer.all("content-type") == ['text/css; charset="utf-8"']
    assert b"--accent" in answer.body


def sign(ask: Ask, door: str, name: str, *, with_cookie: bool = True) -> Answer:
    """Fetch the form and send it back, as a browser does."""
    page = ask(door, "GET", "/")
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    headers = FORM | {"origin": f"https://{HOST}"}
    if with_cookie:
        headers["cookie"] = page.cookies()
    fields = {"csrfmiddlewaretoken": token, "name": name, "message": f"through {door}: ü"}
    return ask(door, "POST", "/", headers, urlencode(fields))


@pytest.mark.parametrize("door", DOORS)
def test_signing_the_guestbook_makes_the_csrf_round_trip(django_site: Ask, door: str) -> None:
    answer = sign(django_site, door, "Zoë")
    assert (answer.status, answer.all("location")) == (302, ["/"])

    page = django_site(door, "GET", "/", {"cookie": answer.cookies()}).text
    assert "<li>Thank you, Zoë.</li>" in page
    assert f"<p>through {door}: ü</p>" in page


@pytest.mark.parametrize("door", DOORS)
def test_a_form_without_the_csrf_cookie_is_refused(django_site: Ask, door: str) -> None:
    assert sign(django_site, door, "Mallory", with_cookie=False).status == 403
    assert "Mallory" not in django_site(door, "GET", "/").text


@pytest.mark.parametrize("door", DOORS)
def test_an_incomplete_entry_comes_back_with_its_error(django_site: Ask, door: str) -> None:
    answer = sign(django_site, door, "")

    assert answer.status == 422
    assert "This field is required." in answer.text


@pytest.mark.parametrize("door", DOORS)
def test_the_admin_requires_a_login(django_site: Ask, door: str) -> None:
    answer = django_site(door, "GET", "/admin/")
    assert (answer.status, answer.all("location")) == (302, ["/admin/login/?next=/admin/"])

    login = django_site(door, "GET", "/admin/login/?next=/admin/")
    assert login.status == 200
    assert 'name="password"' in login.text
    style = re.findall(r'<link rel="stylesheet" href="([^"]*base.css)"', login.text)
    assert [django_site(door, "GET", href).status for href in style] == [200]


def run(folder: Path, *arguments: str, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_guestbook_migrates_while_an_event_loop_runs(tmp_path: Path) -> None:
    database = tmp_path / "entries.sqlite3"
    program = (
        "import asyncio\nasync def main(): import example_django.api.index\nasyncio.run(main())"
    )

    run(ROOT, "-c", program, **DJANGO, DJANGO_DATABASE=str(database))

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select count(*) from guestbook_entry").fetchone() == (0,)


def test_the_migrations_match_the_model(tmp_path: Path) -> None:
    variables = DJANGO | {"DJANGO_DATABASE": str(tmp_path / "entries.sqlite3")}

    run(ROOT / "example_django", "manage.py", "makemigrations", "--check", "--dry-run", **variables)


# Entry points


def test_the_flask_example_is_imported_from_its_own_folder() -> None:
    run(ROOT / "example_flask", "-c", "from api.index import app; app.lambda_handler")


def entry_of(source: str) -> ast.stmt | None:
    """Return the statement that Vercel deploys: the first top-level `app` or `application`."""

    def names(statement: ast.stmt) -> Iterable[str]:
        match statement:
            case ast.Assign(targets=targets):
                return [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                return [name]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return [name]
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                return [alias.asname or alias.name for alias in aliases]
        return []

    for statement in ast.parse(source).body:
        if {"app", "application"} & set(names(statement)):
            return statement
    return None


def test_an_import_counts_as_the_first_application() -> None:
    trap = "from project.wsgi import application\napp = unigate.wrap(application)"

    assert isinstance(entry_of(trap), ast.ImportFrom)
    assert isinstance(entry_of(trap.replace("application", "inner")), ast.Assign)


@pytest.mark.parametrize("example", ["example_flask", "example_django"])
def test_vercel_deploys_the_gateway(example: str) -> None:
    entry = entry_of((ROOT / example / "api" / "index.py").read_text())

    assert isinstance(entry, ast.Assign)
    assert ast.unparse(entry).startswith("app = unigate.wrap(")


def test_links_of_the_guestbook_carry_the_stage(django_site: Ask) -> None:
    page = django_site("lambda_handler", "GET", "/prod/").text

    assert 'href="/prod/admin/"' in page
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page)
    assert style == "/prod/static/guestbook/style.css"
    assert django_site("lambda_handler", "GET", style).status == 200
