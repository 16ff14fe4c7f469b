"""Extensions and middleware of the frameworks work unchanged behind every host."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from email import message_from_bytes
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Annotated, Any

import django
import fastapi
import flask
import flask_login
import httpx
import pytest
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse as DjangoFileResponse
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from flask_cors import CORS
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.responses import JSONResponse as StarletteJSON
from starlette.routing import Route
from whitenoise import WhiteNoise

import unigate
from flask_unigate import Unigate
from tests.hosts import HOSTS, EventHost, Host
from tests.waiting import until
from unigate.emulator import make_request

from . import live

django.setup()

NAMES = ("asgi", "wsgi", "http_api", "rest_api", "alb", "google", "azure", *live.SERVERS)
ORIGIN = "https://front.example"
BINARY = bytes(range(256)) * 40  # 10240 bytes

pytestmark = [
    pytest.mark.usefixtures("bounded"),
    # Django's ASGI handler warns about synchronous files and generators.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]


class Visitor:
    """A browser that sends its requests through one host and keeps cookies."""

    def __init__(self, app: unigate.Gateway, host: Host) -> None:
        self.app = app
        self.host = host
        self.cookies: dict[str, str] = {}

    def ask(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> unigate.Response:
        fields = dict(headers or {})
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = make_request(method, f"https://shop.example{target}", fields.items(), body)
        response = self.host(self.app, request)
        for line in response.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return response

    def get(self, target: str, **headers: str) -> unigate.Response:
        return self.ask("GET", target, {name.replace("_", "-"): v for name, v in headers.items()})

    def send(self, target: str, **content: Any) -> unigate.Response:
        """Post a form or files, encoded as browsers encode them."""
        request = httpx.Request("POST", "https://shop.example/", **content)
        body = request.read()
        return self.ask("POST", target, {"content-type": request.headers["content-type"]}, body)


Visit = Callable[[Any], Visitor]


def gateway(application: Any) -> unigate.Gateway:
    wrapped = isinstance(application, unigate.Gateway)
    return application if wrapped else unigate.wrap(application)


@pytest.fixture(params=NAMES)
def visit(request: pytest.FixtureRequest) -> Iterator[Visit]:
    with ExitStack() as running:

        def start(application: Any) -> Visitor:
            app = gateway(application)
            server = live.SERVERS.get(request.param)
            host = running.enter_context(server(app)) if server else HOSTS[request.param]
            return Visitor(app, host)

        yield start


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "leaf.bin").write_bytes(BINARY)
    (tmp_path / "style.css").write_text("p { color: green }\n" * 50)
    return tmp_path


# Django: one project for all tests

_files: list[Path] = []


def read_upload(request: HttpRequest) -> JsonResponse:
    digests = {name: _digest(file.read()) for name, file in request.FILES.items()}
    return JsonResponse({"fields": request.POST.dict(), "files": digests})


async def stream_async() -> AsyncIterator[str]:
    for number in range(3):
        yield f"line {number}\n"


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        (f"line {number}\n" for number in range(3)), content_type="text/plain"
    )


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


def send_leaf(request: HttpRequest) -> DjangoFileResponse:
    return DjangoFileResponse((_files[-1] / "leaf.bin").open("rb"), as_attachment=True)


def steps(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the kind of iterator that the interface can stream: Django collects the other."""
    parts = step_async() if isinstance(request, ASGIRequest) else step()
    return StreamingHttpResponse(parts, content_type="text/plain")


def later(request: HttpRequest) -> JsonResponse:
    return JsonResponse(use(request.unigate))


async def later_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse(use_async(request.unigate))


urlpatterns = [
    path("steps", steps),
    path("later", later),
    path("later-async", later_async),
    path("data", lambda request: JsonResponse({"leaf": "green"})),
    path("upload", csrf_exempt(read_upload)),
    path("stream", stream),
    path("leaf", send_leaf),
    path("visits", visits),
]


@pytest.fixture(params=[WSGIHandler, ASGIHandler])
def django_app(request: pytest.FixtureRequest, files: Path) -> Iterator[Any]:
    _files.append(files)
    with override_settings(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            "corsheaders.middleware.CorsMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        CORS_ALLOWED_ORIGINS=[ORIGIN],
        CORS_ALLOW_CREDENTIALS=True,
        CORS_EXPOSE_HEADERS=["x-leaf"],
        STATIC_URL="/static/",
        STATIC_ROOT=str(files),
        WHITENOISE_AUTOREFRESH=True,
    ):
        yield request.param()


# Views shared by the frameworks

_step: list[threading.Event] = []
_done: list[str] = []


def step() -> Iterator[str]:
    """Yield the second line once the test has read the first."""
    yield "one\n"
    yield "two\n" if _step[-1].wait(live.SECONDS) else "late\n"


async def step_async() -> AsyncIterator[str]:
    yield "one\n"
    yield "two\n" if await asyncio.to_thread(_step[-1].wait, live.SECONDS) else "late\n"


def use(common: unigate.Request) -> dict[str, Any]:
    common.wait_until(_done.append, common.path)
    return describe(common)


def use_async(common: unigate.Request) -> dict[str, Any]:
    async def work() -> None:
        _done.append(await asyncio.to_thread(lambda: common.path))

    common.wait_until(work())
    return describe(common)


def describe(common: unigate.Request) -> dict[str, Any]:
    user = common.identity.user if common.identity else None
    current = common is unigate.current_request()
    return {"current": current, "user": user, "event": isinstance(common.event, dict)}


# Flask and Starlette


def make_flask(files: Path) -> flask.Flask:
    app = flask.Flask("family")
    app.config.update(SECRET_KEY="s3cr3t", MAX_FORM_PARTS=2000)

    @app.get("/data")
    def data() -> Any:
        return {"leaf": "green"}

    @app.post("/upload")
    def upload() -> Any:
        digests = {name: _digest(f.read()) for name, f in flask.request.files.items()}
        return {"fields": flask.request.form.to_dict(), "files": digests}

    @app.get("/stream")
    def lines() -> Any:
        return flask.Response((f"line {number}\n" for number in range(3)), mimetype="text/plain")

    @app.get("/steps")
    def steps() -> Any:
        return flask.Response(step(), mimetype="text/plain")

    @app.get("/leaf")
    def leaf() -> Any:
        return flask.send_file(files / "leaf.bin", conditional=True, as_attachment=True)

    @app.get("/visits")
    def count() -> str:
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return str(flask.session["visits"])

    return app


def make_starlette(files: Path, *middleware: Middleware) -> Starlette:
    async def data(request: StarletteRequest) -> StarletteJSON:
        return StarletteJSON({"leaf": "green"})

    async def upload(request: StarletteRequest) -> StarletteJSON:
        async with request.form(max_fields=2000) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            digests = {
                name: _digest(await value.read())
                for name, value in form.items()
                if not isinstance(value, str)
            }
        return StarletteJSON({"fields": fields, "files": digests})

    async def lines(request: StarletteRequest) -> StreamingResponse:
        return StreamingResponse(stream_async(), media_type="text/plain")

    async def steps(request: StarletteRequest) -> StreamingResponse:
        return StreamingResponse(step_async(), media_type="text/plain")

    async def leaf(request: StarletteRequest) -> FileResponse:
        return FileResponse(files / "leaf.bin", filename="leaf.bin")

    async def count(request: StarletteRequest) -> PlainTextResponse:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return PlainTextResponse(str(request.session["visits"]))

    routes = [
        Route("/data", data),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", lines),
        Route("/steps", steps),
        Route("/leaf", leaf),
        Route("/visits", count),
    ]
    sessions = Middleware(SessionMiddleware, secret_key="s3cr3t", https_only=True)
    return Starlette(routes=routes, middleware=[*middleware, sessions])


@pytest.fixture(params=["flask", "starlette", "django wsgi", "django asgi"])
def application(request: pytest.FixtureRequest, files: Path) -> Iterator[Any]:
    if request.param == "flask":
        yield make_flask(files)
    elif request.param == "starlette":
        yield make_starlette(files)
    else:
        _files.append(files)
        with override_settings(
            ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
            DATA_UPLOAD_MAX_NUMBER_FIELDS=2000,
        ):
            yield WSGIHandler() if request.param.endswith("wsgi") else ASGIHandler()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# CORS


def check_cors(visitor: Visitor) -> None:
    """Send what a page of another origin sends: the preflight, then the request."""
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "x-requested-with",
    }
    preflight = visitor.ask("OPTIONS", "/data", headers)
    assert preflight.status in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-credentials"] == "true"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "x-requested-with" in preflight.headers["access-control-allow-headers"].lower()

    answer = visitor.get("/data", origin=ORIGIN)
    assert answer.status == 200
    assert b'"green"' in answer.body
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"].lower() == "x-leaf"
    assert "origin" in (answer.headers.get("vary") or "").lower()

    for method in ("OPTIONS", "GET"):
        headers["origin"] = "https://elsewhere.example"
        refused = visitor.ask(method, "/data", headers)
        assert refused.headers.get("access-control-allow-origin") is None


def test_flask_cors(visit: Visit, files: Path) -> None:
    app = make_flask(files)
    origins = [ORIGIN, "https://shop.example"]
    CORS(app, origins=origins, supports_credentials=True, expose_headers=["x-leaf"])

    check_cors(visit(app))


def test_starlettes_cors_middleware(visit: Visit, files: Path) -> None:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[ORIGIN],
        allow_credentials=True,
        allow_methods=["GET", "PUT"],
        allow_headers=["x-requested-with"],
        expose_headers=["x-leaf"],
    )

    check_cors(visit(make_starlette(files, cors)))


def test_django_cors_headers(visit: Visit, django_app: Any) -> None:
    check_cors(visit(django_app))


def test_a_preflight_of_one_mount_is_not_answered_by_another(visit: Visit, files: Path) -> None:
    open_app, closed = make_flask(files), make_starlette(files)
    CORS(open_app, origins=[ORIGIN])
    visitor = visit(unigate.wrap(open_app, mounts={"/closed": closed}))
    headers = {"origin": ORIGIN, "access-control-request-method": "GET"}

    assert visitor.ask("OPTIONS", "/data", headers).headers["access-control-allow-origin"] == ORIGIN
    refused = visitor.ask("OPTIONS", "/closed/data", headers)
    assert refused.status == 405
    assert refused.headers.get("access-control-allow-origin") is None


# WhiteNoise


def check_static(visitor: Visitor, files: Path) -> None:
    whole = visitor.get("/static/leaf.bin")
    assert (whole.status, whole.body) == (200, BINARY)
    assert whole.headers["content-length"] == str(len(BINARY))

    style = visitor.get("/static/style.css")
    assert style.headers["content-type"] == 'text/css; charset="utf-8"'
    assert style.body == (files / "style.css").read_bytes()

    again = visitor.get("/static/leaf.bin", if_modified_since=whole.headers["last-modified"])
    assert (again.status, again.body) == (304, b"")

    part = visitor.get("/static/leaf.bin", range="bytes=300-309")
    assert (part.status, part.body) == (206, BINARY[300:310])
    assert part.headers["content-range"] == f"bytes 300-309/{len(BINARY)}"

    head = visitor.ask("HEAD", "/static/leaf.bin")
    assert (head.status, head.body) == (200, b"")
    assert visitor.get("/static/none.css").status == 404
    assert b"green" in visitor.get("/data").body


def test_whitenoise_around_flask(visit: Visit, files: Path) -> None:
    app = make_flask(files)
    app.wsgi_app = WhiteNoise(app.wsgi_app, root=str(files), prefix="static/")

    check_static(visit(app), files)


def test_whitenoise_in_django(visit: Visit, django_app: Any, files: Path) -> None:
    check_static(visit(django_app), files)


# Sessions and logins


def test_a_session_counts_visits(visit: Visit, application: Any) -> None:
    visitor, other = visit(application), visit(application)

    assert [visitor.get("/visits").body for _ in range(3)] == [b"1", b"2", b"3"]
    assert other.get("/visits").body == b"1"
    assert len(visitor.cookies) == 1


def test_a_session_with_a_forged_cookie_starts_anew(visit: Visit, application: Any) -> None:
    visitor = visit(application)
    visitor.get("/visits")
    visitor.get("/visits")
    visitor.cookies = {name: f"x{value}" for name, value in visitor.cookies.items()}

    assert visitor.get("/visits").body == b"1"


class User(flask_login.UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


def make_login(files: Path) -> flask.Flask:
    app = make_flask(files)
    Unigate(app)
    manager = flask_login.LoginManager(app)
    manager.login_view = "login"
    manager.session_protection = "strong"  # binds the session to its address and browser

    @manager.user_loader
    def load(name: str) -> User | None:
        return User(name) if name == "zoe" else None

    @app.route("/login", methods=["GET", "POST"])
    def login() -> Any:
        if flask.request.form.get("password") != "tea":
            flask.flash("Wrong password.")
            return " ".join(flask.get_flashed_messages()), 401
        flask_login.login_user(User(flask.request.form["name"]), remember=True)
        return flask.redirect(flask.request.args.get("next") or "/me")

    @app.get("/me")
    @flask_login.login_required
    def me() -> str:
        user: str = flask_login.current_user.id
        return f"{user} from {flask.request.ip_address}"

    @app.get("/logout")
    def logout() -> Any:
        flask_login.logout_user()
        return flask.redirect("/me")

    return app


# Flask-Login's remember-me cookie uses utcnow(), which Python 3.12 deprecates.
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_flask_login(visit: Visit, files: Path) -> None:
    visitor = visit(make_login(files))

    turned_away = visitor.get("/me")
    assert turned_away.status == 302
    assert turned_away.headers["location"] == "/login?next=%2Fme"

    wrong = visitor.send("/login?next=%2Fme", data={"name": "zoe", "password": "coffee"})
    flashed = b"Please log in to access this page. Wrong password."
    assert (wrong.status, wrong.body) == (401, flashed)
    assert visitor.get("/me").status == 302

    right = visitor.send("/login?next=%2Fme", data={"name": "zoe", "password": "tea"})
    assert (right.status, right.headers["location"]) == (302, "/me")
    assert set(visitor.cookies) == {"session", "remember_token"}
    assert [visitor.get("/me").body for _ in range(2)] == [b"zoe from 127.0.0.1"] * 2

    del visitor.cookies["session"]  # the browser was closed
    assert visitor.get("/me").body == b"zoe from 127.0.0.1"

    visitor.get("/logout")
    assert "remember_token" not in visitor.cookies
    assert visitor.get("/me").status == 302


# Uploads


@pytest.mark.parametrize("size", [0, 1024, 5 * 2**20], ids=["empty", "1 KB", "5 MB"])
def test_an_upload_arrives_unchanged(visit: Visit, application: Any, size: int) -> None:
    content = (b"\x00\xff\r\n--" * (size // 6 + 1))[:size]
    name = "bl\u00e4tter \u8336.bin"

    answer = visit(application).send(
        "/upload", files={"leaf": (name, content)}, data={"note": "gr\u00fcn\r\n"}
    )

    assert answer.status == 200, answer.body
    upload = flask.json.loads(answer.body)
    assert upload["files"] == {"leaf": _digest(content)}
    assert upload["fields"] == {"note": "gr\u00fcn\r\n"}


def test_many_fields_and_files_arrive(visit: Visit, application: Any) -> None:
    fields = {f"field {number}": f"\u00fc{number}&=" for number in range(900)}
    files = {f"file{number}": (f"{number}.bin", bytes([number]) * number) for number in range(50)}
    visitor = visit(application)

    both = flask.json.loads(visitor.send("/upload", data=fields, files=files).body)
    assert both["fields"] == fields
    assert both["files"] == {name: _digest(content) for name, (_, content) in files.items()}

    plain = flask.json.loads(visitor.send("/upload", data=fields).body)
    assert plain == {"fields": fields, "files": {}}


# Streams and files


def test_a_stream_arrives_whole(visit: Visit, application: Any) -> None:
    answer = visit(application).get("/stream")

    assert (answer.status, answer.body) == (200, b"line 0\nline 1\nline 2\n")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("server", live.SERVERS)
def test_a_stream_arrives_piece_by_piece(server: str, application: Any) -> None:
    _step.append(threading.Event())
    app = gateway(application)

    with (
        live.SERVERS[server](app) as host,
        host.begin(make_request("GET", "http://shop.example/steps")) as response,
    ):
        assert response.readline() == b"one\n"
        _step[-1].set()
        assert response.read() == b"two\n"


def test_a_compressed_stream_arrives_whole(visit: Visit, files: Path) -> None:
    import gzip

    visitor = visit(make_starlette(files, Middleware(GZipMiddleware, minimum_size=0)))

    for target, content in (("/stream", b"line 0\nline 1\nline 2\n"), ("/leaf", BINARY)):
        answer = visitor.get(target, accept_encoding="gzip")
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(answer.body) == content


def test_a_file_arrives_with_its_name(visit: Visit, application: Any) -> None:
    visitor = visit(application)
    answer = visitor.get("/leaf")

    assert (answer.status, answer.body) == (200, BINARY)
    assert answer.headers["content-length"] == str(len(BINARY))
    disposition = answer.headers["content-disposition"].replace('"', "")
    assert disposition == "attachment; filename=leaf.bin"


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=100-199": (100, 200),
    "bytes=10000-": (10000, 10240),
    "bytes=-7": (10233, 10240),
    "bytes=10000-99999": (10000, 10240),
}


def test_django_ignores_a_range(visit: Visit, django_app: Any) -> None:
    answer = visit(django_app).get("/leaf", range="bytes=0-9")

    assert (answer.status, answer.body) == (200, BINARY)


@pytest.mark.parametrize("make", [make_flask, make_starlette])
def test_a_part_of_a_file_arrives(visit: Visit, files: Path, make: Any) -> None:
    visitor = visit(make(files))
    whole = visitor.get("/leaf")

    for wanted, (start, end) in RANGES.items():
        part = visitor.get("/leaf", range=wanted, if_range=whole.headers["etag"])
        assert (part.status, part.body) == (206, BINARY[start:end]), wanted
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/10240"
        assert part.headers["content-length"] == str(end - start)
        assert part.headers["accept-ranges"] == "bytes"

    outdated = visitor.get("/leaf", range="bytes=0-0", if_range='"another"')
    assert (outdated.status, outdated.body) == (200, BINARY)
    beyond = visitor.get("/leaf", range="bytes=99999-")
    assert beyond.status == 416
    assert beyond.headers["content-range"].endswith("*/10240")


def test_several_parts_of_a_file_arrive_in_one_answer(visit: Visit, files: Path) -> None:
    answer = visit(make_starlette(files)).get("/leaf", range="bytes=0-9,500-509")

    assert answer.status == 206
    kind = answer.headers["content-type"]
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.body)
    parts = [part.get_payload(decode=True) for part in message.get_payload()]
    assert parts == [BINARY[0:10], BINARY[500:510]]


def test_an_unchanged_file_is_not_sent_again(visit: Visit, files: Path) -> None:
    visitor = visit(make_flask(files))
    tag = visitor.get("/leaf").headers["etag"]

    answer = visitor.get("/leaf", if_none_match=tag)

    assert (answer.status, answer.body) == (304, b"")


# The attributes that the plugins add


@pytest.fixture(params=["flask", "django wsgi", "django asgi"])
def plugged(request: pytest.FixtureRequest, files: Path) -> Iterator[Any]:
    if request.param == "flask":
        app = make_flask(files)
        Unigate(app)
        app.get("/later")(lambda: use(flask.request.unigate))

        @app.get("/later-async")
        async def in_loop() -> dict[str, Any]:
            return use_async(flask.request.unigate)

        yield app
        return
    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=["django_unigate.middleware.UnigateMiddleware"]
    ):
        yield WSGIHandler() if request.param.endswith("wsgi") else ASGIHandler()


@pytest.mark.parametrize("target", ["/later", "/later-async"])
def test_views_have_the_common_request_and_wait_until(
    visit: Visit, plugged: Any, target: str
) -> None:
    _done.clear()
    visitor = visit(plugged)

    answer = visitor.get(target)

    assert answer.status == 200, answer.body
    events = isinstance(visitor.host, EventHost)
    assert flask.json.loads(answer.body) == {"current": True, "user": None, "event": events}
    until(lambda: _done == [target])


# Starlette and FastAPI

Common = Annotated[unigate.Request, fastapi.Depends(unigate.current_request)]


def make_fastapi() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    def facts(request: fastapi.Request, common: unigate.Request) -> dict[str, Any]:
        return {
            "same": request.state.unigate is common is request.scope["unigate.request"],
            "path": common.path,
            "country": unigate.geolocation(request)["country"],
            "address": unigate.ip_address(request),
            "own": [common.geolocation["country"], common.ip_address],
        }

    @app.get("/async")
    async def in_loop(request: fastapi.Request, common: Common) -> dict[str, Any]:
        return facts(request, common)

    @app.get("/sync")
    def in_thread(request: fastapi.Request, common: Common) -> dict[str, Any]:
        return facts(request, common)

    @app.get("/count")
    async def count(common: Common) -> int:
        number: int = await common.async_runtime_cache.get("count", 0) + 1
        await common.async_runtime_cache.set("count", number)
        return number

    return app


@pytest.mark.parametrize("target", ["/async", "/sync"])
def test_fastapi_has_the_common_request(visit: Visit, target: str) -> None:
    visitor = visit(unigate.wrap(make_fastapi(), platform="cloudflare"))

    answer = visitor.get(target, cf_ipcountry="NL", cf_connecting_ip="203.0.113.7")

    assert flask.json.loads(answer.body) == {
        "same": True,
        "path": target,
        "country": "NL",
        "address": "203.0.113.7",
        "own": ["NL", "203.0.113.7"],
    }


def test_fastapi_keeps_values_in_the_cache_of_the_gateway(visit: Visit) -> None:
    from unigate.cache.memory import MemoryBackend

    visitor = visit(unigate.wrap(make_fastapi(), cache=MemoryBackend()))

    assert [visitor.get("/count").body for _ in range(3)] == [b"1", b"2", b"3"]


def test_starlette_has_the_common_request(visit: Visit) -> None:
    async def where(request: StarletteRequest) -> StarletteJSON:
        same = request.state.unigate is unigate.current_request()
        country = unigate.geolocation(request)["country"]
        return StarletteJSON([same, country, unigate.ip_address(request)])

    app = Starlette(routes=[Route("/", where)])
    answer = visit(unigate.wrap(app, platform="cloudflare")).get(
        "/", cf_ipcountry="NL", cf_connecting_ip="203.0.113.7"
    )

    assert flask.json.loads(answer.body) == [True, "NL", "203.0.113.7"]


def test_without_a_gateway_there_is_no_common_request() -> None:
    from starlette.testclient import TestClient

    app = make_fastapi()
    with TestClient(app) as client, pytest.raises(LookupError, match="no current request"):
        client.get("/async")
