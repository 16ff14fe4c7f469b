"""The Flask extension: attributes of the request, settings, and the gateway."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import threading
import weakref
from typing import Any

import pytest
from flask import Blueprint, Flask, Request, request

import flask_unigate
import unigate
from flask_unigate import Unigate
from flask_unigate.commands import manage
from flask_unigate.extension import SETTINGS
from unigate.cache.memory import MemoryBackend


def make_app(name: str = "first") -> Flask:
    app = Flask(name)

    @app.route("/<path:rest>", methods=["GET", "POST"])
    def show(rest: str) -> dict[str, object]:
        common = request.unigate
        return {
            "app": name,
            "source": common.source,
            "method": common.method,
            "path": common.path,
            "query": common.query_string.decode(),
            "agent": common.headers.get("user-agent"),
            "same": common is request.unigate,
            "form": request.form.to_dict(),
        }

    return app


EVENT = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/tea/été",
    "rawQueryString": "a=1&a=2",
    "headers": {"host": "shop.example", "user-agent": "kettle/3"},
    "requestContext": {
        "domainName": "shop.example",
        "http": {"method": "GET", "path": "/tea/été", "sourceIp": "192.0.2.44"},
        "stage": "$default",
    },
    "isBase64Encoded": False,
}


def test_the_gateways_request_is_on_flasks_request() -> None:
    app = make_app()
    Unigate(app)
    common = unigate.Request("GET", b"/given", source="by hand")

    answer = app.test_client().get("/x", environ_overrides={"unigate.request": common})

    assert answer.json["source"] == "by hand"
    assert answer.json["path"] == "/given"


def test_behind_the_gateway_it_is_the_request_of_the_event() -> None:
    app = make_app()
    pairs = []
    Unigate(app)
    app.before_request(lambda: pairs.append((request.unigate, unigate.current_request())))

    reply = unigate.wrap(app).lambda_handler(EVENT, None)

    assert reply["statusCode"] == 200
    [(on_flask, current)] = pairs
    assert on_flask is current
    assert on_flask.event is EVENT
    assert on_flask.path == "/tea/été"
    assert on_flask.client[0] == "192.0.2.44"


def test_without_the_gateway_it_is_built_from_the_environ_once() -> None:
    app = make_app()
    Unigate(app)

    answer = app.test_client().get("/caf%C3%A9?q=1", headers={"user-agent": "kettle/3"}).json

    assert answer["source"] == "wsgi"
    assert (answer["method"], answer["path"], answer["query"]) == ("GET", "/café", "q=1")
    assert answer["agent"] == "kettle/3"
    assert answer["same"] is True


def test_the_body_stays_for_flask_to_read() -> None:
    app = make_app()
    Unigate(app)

    answer = app.test_client().post("/x", data={"leaf": "green"})

    assert answer.json["form"] == {"leaf": "green"}


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("main:app", r"Import it: from main import app; \w+\(app\)"),
        (unigate.wrap(Flask("tea")), "Pass the application itself"),
        (Blueprint("tea", "tea"), "Pass the application that it is registered on"),
        (lambda: Flask("tea"), "what a factory returns"),
        (5, "got 5"),
    ],
)
def test_what_is_no_application_is_an_error_that_says_what_to_pass(given: Any, advice: str) -> None:
    for extend in (Unigate, Unigate().init_app, manage):
        with pytest.raises(
            TypeError, match=r"must be given a flask\.Flask application, got .*"
        ) as e:
            extend(given)
        assert re.search(advice, str(e.value)), e.value


def test_the_applications_own_request_class_is_kept() -> None:
    class ShoutingRequest(Request):
        def shout(self) -> str:
            return self.path.upper()

    app = make_app()
    app.request_class = ShoutingRequest
    Unigate(app)

    with app.test_request_context("/tea"):
        assert isinstance(request, ShoutingRequest)
        assert request.shout() == "/TEA"
        assert request.unigate.path == "/tea"
    assert app.request_class.__name__ == "ShoutingRequest"
    assert not hasattr(ShoutingRequest, "unigate")


def test_one_extension_serves_several_applications() -> None:
    extension = Unigate()
    apps = [make_app("first"), make_app("second")]
    for app in apps:
        extension.init_app(app)

    answers = [app.test_client().get("/x").json for app in apps]

    assert [answer["app"] for answer in answers] == ["first", "second"]
    assert {answer["source"] for answer in answers} == {"wsgi"}
    assert all(app.extensions["unigate"] is extension for app in apps)


def test_an_application_without_the_extension_is_left_alone() -> None:
    Unigate(make_app("first"))
    second = make_app("second")

    with second.test_request_context("/x"):
        assert not hasattr(request, "unigate")


def test_registering_an_application_twice_is_refused() -> None:
    app = make_app("shop")
    Unigate(app)
    before = app.request_class

    with pytest.raises(RuntimeError, match=r"'shop' already has a Unigate extension\. Call"):
        Unigate(app)

    assert app.request_class is before


# The values of the attributes


CLOUDFLARE = {"cf-ipcountry": "NL", "cf-connecting-ip": "203.0.113.7"}


def make_place(**settings: Any) -> tuple[Flask, Unigate]:
    app = Flask("place")
    app.config.update(settings)

    @app.get("/where")
    def where() -> dict[str, Any]:
        return {"country": request.geolocation["country"], "address": request.ip_address}

    @app.get("/count")
    def count() -> str:
        value = request.runtime_cache.get("count", 0) + 1
        request.runtime_cache.set("count", value)
        return str(value)

    @app.get("/count-async")
    async def count_async() -> str:
        value = await request.async_runtime_cache.get("count", 0) + 1
        await request.async_runtime_cache.set("count", value)
        return f"{value} {request.ip_address}"

    return app, Unigate(app)


def ask_gateway(gateway: unigate.Gateway, path: str, headers: dict[str, str]) -> Any:
    http = {**EVENT["requestContext"]["http"], "path": path}
    event = {
        **EVENT,
        "rawPath": path,
        "headers": headers,
        "requestContext": {**EVENT["requestContext"], "http": http},
    }
    return gateway.lambda_handler(event)["body"].strip()


def test_where_a_request_comes_from_with_a_platform_in_the_configuration() -> None:
    app, extension = make_place(UNIGATE_PLATFORM="cloudflare")
    place = {"country": "NL", "address": "203.0.113.7"}

    assert app.test_client().get("/where", headers=CLOUDFLARE).json == place
    for gateway in (extension.gateway, unigate.wrap(app)):
        assert app.json.loads(ask_gateway(gateway, "/where", CLOUDFLARE)) == place


def test_headers_of_an_unconfigured_platform_are_not_trusted() -> None:
    app, extension = make_place()

    answer = app.test_client().get("/where", headers=CLOUDFLARE).json

    assert answer == {"country": None, "address": "127.0.0.1"}
    assert app.json.loads(ask_gateway(extension.gateway, "/where", CLOUDFLARE)) == {
        "country": None,
        "address": "192.0.2.44",
    }


def test_without_settings_the_deployment_of_the_gateway_applies() -> None:
    app, _ = make_place()

    answer = ask_gateway(unigate.wrap(app, platform="cloudflare"), "/where", CLOUDFLARE)

    assert app.json.loads(answer) == {"country": "NL", "address": "203.0.113.7"}


def test_trusted_proxies_of_the_configuration() -> None:
    app, _ = make_place(UNIGATE_TRUSTED_PROXIES=1)

    answer = app.test_client().get("/where", headers={"x-forwarded-for": "192.0.2.1, 203.0.113.9"})

    assert answer.json["address"] == "203.0.113.9"


def test_one_cache_for_all_requests_of_an_application() -> None:
    app, extension = make_place(UNIGATE_CACHE=MemoryBackend())
    other, _ = make_place(UNIGATE_CACHE=MemoryBackend())
    client = app.test_client()

    counts = [client.get(path).text for path in ("/count", "/count-async", "/count")]

    assert counts == ["1", "2 127.0.0.1", "3"]
    assert ask_gateway(extension.gateway, "/count", {}) == "4"
    assert ask_gateway(extension.gateway, "/count-async", {}) == "5 192.0.2.44"
    assert other.test_client().get("/count").text == "1"


def test_views_of_a_blueprint_and_its_hooks_have_the_attributes() -> None:
    app = Flask("shop")
    addresses: list[str | None] = []
    blueprint = Blueprint("tea", "shop", url_prefix="/tea")
    blueprint.before_request(lambda: addresses.append(request.ip_address))
    blueprint.get("/where")(lambda: str(request.unigate.path))
    app.register_blueprint(blueprint)
    Unigate(app)

    assert app.test_client().get("/tea/where").text == "/tea/where"
    assert addresses == ["127.0.0.1"]


def test_concurrent_requests_do_not_mix() -> None:
    app, extension = make_place(UNIGATE_PLATFORM="cloudflare")
    addresses: dict[int, str] = {}

    def ask(number: int) -> None:
        headers = {**CLOUDFLARE, "cf-connecting-ip": f"203.0.113.{number}"}
        for _ in range(20):
            answer = ask_gateway(extension.gateway, "/where", headers)
            addresses[number] = app.json.loads(answer)["address"]
            if addresses[number] != f"203.0.113.{number}":
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert addresses == {number: f"203.0.113.{number}" for number in range(1, 9)}


def test_an_attribute_is_computed_once_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = make_place()
    built: list[str] = []
    original = unigate.Request.from_environ

    def counted(environ: Any) -> unigate.Request:
        built.append(environ["PATH_INFO"])
        return original(environ)

    monkeypatch.setattr(unigate.Request, "from_environ", counted)
    app.get("/plain")(lambda: "")

    app.test_client().get("/plain")
    assert built == []
    app.test_client().get("/where")
    assert built == ["/where"]


def test_attributes_of_the_applications_request_class_stay() -> None:
    class Located(Request):
        geolocation = "on the map"

    app = make_app()
    app.request_class = Located
    Unigate(app)

    with app.test_request_context("/tea"):
        assert request.geolocation == "on the map"
        assert request.ip_address is None


def test_a_class_for_annotations_can_be_the_request_class_too() -> None:
    class Typed(flask_unigate.Request):
        @property
        def country(self) -> str | None:
            return self.geolocation["country"]

    app = make_app()
    app.request_class = Typed
    app.config["UNIGATE_PLATFORM"] = "cloudflare"
    Unigate(app)

    with app.test_request_context("/tea", headers=CLOUDFLARE):
        assert request.country == "NL"
    with Flask("bare").test_request_context("/tea") as context:
        assert Typed(context.request.environ).unigate.path == "/tea"


# Settings


def test_the_settings_are_the_keywords_of_wrap() -> None:
    keywords = set(inspect.signature(unigate.wrap).parameters)

    assert set(SETTINGS) == keywords - {"application", "interface", "more", "unknown"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("UNIGATE_PLATTFORM", 1, "is not a setting of flask_unigate. Use one of UNIGATE_AROUND"),
        ("UNIGATE_", 1, "UNIGATE_ is not a setting"),
        ("UNIGATE_PLATFORM", "cloudfare", "UNIGATE_PLATFORM in app.config is invalid: .*cloudfare"),
        ("UNIGATE_TRUSTED_PROXIES", "here", "UNIGATE_TRUSTED_PROXIES .* is invalid: .*here"),
        ("UNIGATE_CACHE", "mysql://x:secret@y", "UNIGATE_CACHE .* is invalid: .*got mysql://"),
        ("UNIGATE_MOUNTS", "v2", "UNIGATE_MOUNTS .* is invalid"),
        ("UNIGATE_MOUNTS", {"v2": "main:app"}, "UNIGATE_MOUNTS .* is invalid: .*v2"),
        ("UNIGATE_MOUNTS", {"/v2": 5}, "UNIGATE_MOUNTS .* is invalid: .*int"),
        ("UNIGATE_ON_ERROR", "shout", "UNIGATE_ON_ERROR .* is invalid: on_error .*shout"),
        ("UNIGATE_LIFESPAN", "maybe", "UNIGATE_LIFESPAN .* is invalid: lifespan .*maybe"),
        ("UNIGATE_SOURCE", "pigeon", "UNIGATE_SOURCE .* is invalid: .*pigeon"),
    ],
)
def test_an_invalid_setting_is_named(key: str, value: Any, message: str) -> None:
    app = make_app()
    app.config[key] = value
    before = app.request_class

    with pytest.raises(ValueError, match=message) as caught:
        Unigate(app)

    assert "secret" not in str(caught.value)
    assert app.request_class is before
    assert "unigate" not in app.extensions


def test_a_setting_of_none_is_ignored() -> None:
    app = make_app()
    app.config.update(UNIGATE_PLATFORM=None, UNIGATE_MOUNTS=None, UNIGATE_ON_ERROR=None)

    assert ask_gateway(Unigate(app).gateway, "/tea", {})


# The gateway


def test_the_gateway_is_made_once_and_answers() -> None:
    app = make_app()
    extension = Unigate(app)

    gateway = extension.gateway

    assert isinstance(gateway, unigate.Gateway)
    assert extension.gateway is gateway
    assert '"source":"http_api"' in ask_gateway(gateway, "/tea", {})


def test_the_gateway_has_the_mounts_and_the_prefix_of_the_configuration() -> None:
    async def api(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["root_path"].encode()})

    app = make_app()
    app.config.update(
        UNIGATE_MOUNTS={"/v2": api}, UNIGATE_BASE_PATH="/shop", UNIGATE_LIFESPAN="off"
    )
    gateway = Unigate(app).gateway

    assert ask_gateway(gateway, "/shop/v2/x", {}) == "/shop/v2"
    assert '"app":"first"' in ask_gateway(gateway, "/shop/x", {})


def test_errors_can_be_raised_to_the_host() -> None:
    app = Flask("broken")
    app.config.update(UNIGATE_ON_ERROR="raise", PROPAGATE_EXCEPTIONS=True)
    app.get("/")(lambda: 1 // 0)
    gateway = Unigate(app).gateway

    with pytest.raises(ZeroDivisionError):
        ask_gateway(gateway, "/", {})


def test_each_of_several_applications_has_its_own_gateway() -> None:
    extension = Unigate()
    with pytest.raises(RuntimeError, match="has 0 applications"):
        _ = extension.gateway
    first, second = make_app("first"), make_app("second")
    extension.init_app(first)
    only = extension.gateway
    extension.init_app(second)

    with pytest.raises(RuntimeError, match="has 2 applications, and none of them is current"):
        _ = extension.gateway
    with make_app("third").app_context(), pytest.raises(RuntimeError):
        _ = extension.gateway
    with first.app_context():
        assert extension.gateway is only
    with second.app_context():
        assert '"app":"second"' in ask_gateway(extension.gateway, "/x", {})


def test_an_extension_does_not_keep_applications_alive() -> None:
    extension = Unigate()
    app = Flask("short")
    extension.init_app(app)
    reference = weakref.ref(app)

    del app
    gc.collect()

    assert reference() is None


def test_the_gateway_of_the_extension_answers_a_server() -> None:
    app, extension = make_place()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": "/where",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 5),
    }
    asyncio.run(extension.gateway(scope, receive, send))

    assert app.json.loads(sent[1]["body"])["address"] == "192.0.2.1"


# --- REMOTE_ADDR and the typed request ------------------------------------------------------------


def remote_app(own: type[Request] = Request, **config: Any) -> Flask:
    app = Flask("remote")
    app.request_class = own
    app.config.update(UNIGATE_TRUSTED_PROXIES=1, **config)
    Unigate(app)

    @app.route("/")
    def show() -> dict[str, str | None]:
        address = request.environ.get("REMOTE_ADDR")
        return {"attribute": request.remote_addr, "environ": address}

    return app


@pytest.mark.parametrize("sets", [True, False, None])
def test_remote_addr_is_the_clients_address_where_the_setting_says_so(sets: bool | None) -> None:
    class Own(Request):
        """A request class of the application."""

    client = remote_app(Own, UNIGATE_REMOTE_ADDR=sets).test_client()
    seen = client.get("/", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}).json
    address = "203.0.113.9" if sets else "127.0.0.1"
    assert seen == {"attribute": address, "environ": address}


def test_remote_addr_stays_where_the_client_is_unknown() -> None:
    client = remote_app(UNIGATE_REMOTE_ADDR=True).test_client()
    seen = client.get("/", environ_overrides={"REMOTE_ADDR": None}).json
    assert seen == {"attribute": None, "environ": None}


def test_remote_addr_is_set_before_anything_of_the_application_runs() -> None:
    app = Flask("limited")
    app.config.update(UNIGATE_TRUSTED_PROXIES=1, UNIGATE_REMOTE_ADDR=True)
    seen: list[str | None] = []
    app.before_request(lambda: seen.append(request.remote_addr))  # as Flask-Limiter does
    Unigate(app)
    app.test_client().get("/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert seen == ["203.0.113.9"]


def test_the_typed_request_is_flasks_request() -> None:
    app = Flask("typed")
    Unigate(app)
    with app.test_request_context("/tea?a=1"):
        assert flask_unigate.request.args["a"] == "1"
        assert flask_unigate.request.unigate is request.unigate
        flask_unigate.request.geolocation  # noqa: B018


def test_the_typed_request_names_the_extension_that_is_missing() -> None:
    with (
        Flask("bare").test_request_context("/"),
        pytest.raises(RuntimeError, match=r"application 'bare' does not have: call Unigate\(app\)"),
    ):
        flask_unigate.request.geolocation  # noqa: B018
    with pytest.raises(RuntimeError, match="outside of request context"):
        flask_unigate.request.geolocation  # noqa: B018
