"""Determine an application's interface; every kind of application also gets an event."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import a2wsgi
import fastapi
import flask
import pytest
import sanic
import serverless_wsgi
from apig_wsgi import make_lambda_handler
from asgiref.wsgi import WsgiToAsgi
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from mangum import Mangum
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from werkzeug.local import LocalProxy
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse
from whitenoise import WhiteNoise

import unigate
from tests.apps import flask_app, starlette_app
from tests.apps.plain import asgi_app, wsgi_app
from tests.hosts import HOSTS
from tests.servers import plain_wsgi
from unigate import Headers, Request, UnknownInterface
from unigate.interfaces import load
from unigate.lambda_runtime import handlers
from unigate.lambda_runtime.errors import TypedError
from unigate.loop import process_loop

EVENT = {"path": "/hello", "httpMethod": "GET", "headers": {}, "queryStringParameters": "a=1"}
IMPORTABLE = "tests.apps.importable"


def answer_of(application: Any, **options: Any) -> dict[str, Any]:
    """Return an application's account of its request, sent through an event and back."""
    reply = unigate.wrap(application, **options).lambda_handler(EVENT)
    assert reply["statusCode"] == 200, reply
    seen: dict[str, Any] = json.loads(reply["body"])
    return seen


# --- applications in every form ------------------------------------------------------------------


def asgi2_function(scope: Any) -> Any:
    async def instance(receive: Any, send: Any) -> None:
        await asgi_app(scope, receive, send)

    return instance


class Asgi2Class:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await asgi_app(self.scope, receive, send)


class WsgiClass:
    """The class that PEP 3333 shows: a call makes the iterable."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.result = wsgi_app(environ, start_response)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.result)


class Endpoint(HTTPEndpoint):
    """A class of which each request makes an awaitable."""

    async def get(self, request: StarletteRequest) -> JSONResponse:
        return JSONResponse({"path": request.url.path, "query": request.url.query})


class QuartLike:
    """The two levels that Quart has."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.asgi_app(scope, receive, send)

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi_app(scope, receive, send)


class WsgiInstance:
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return wsgi_app(environ, start_response)

    def method(self, env: Any, start: Any) -> Any:
        return wsgi_app(env, start)


class SyncCallOfAsgi:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return asgi_app(scope, receive, send)


class OfApp:
    """Middleware that passes all arguments on unread."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.app(*args, **kwargs)


class OfApplication:
    """The same, with the other usual name."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, *args: Any) -> Any:
        return self.application(*args)


class AsyncOfApplication:
    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, *args: Any) -> None:
        await self.application(*args)


class OfAsgiApp:
    """Middleware that Quart's own level is replaced with."""

    def __init__(self, asgi_app: Any) -> None:
        self.asgi_app = asgi_app

    def __call__(self, *args: Any) -> Any:
        return self.asgi_app(*args)


class OfServer:
    """Dash: it calls the server in it with whatever it is called with."""

    def __init__(self, server: Any) -> None:
        self.server = server

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.server(*args, **kwargs)


class ObjectProxy:
    """A proxy of wrapt, with which monitoring agents instrument applications."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)


class MarkedSingle:
    """Only asgiref's mark shows its interface."""

    _asgi_single_callable = True

    def __call__(self, *args: Any) -> Any:
        return asgi_app(*args)


class MarkedDouble:
    _asgi_double_callable = True

    def __call__(self, connection: Any) -> Any:
        return Asgi2Class(connection)


class OfScope:
    """Middleware that looks at the scope and passes the rest on."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, scope: Any, *rest: Any) -> Any:
        return self.app(scope, *rest)


def wrapped(function: Callable[..., Any]) -> Any:
    """Decorate as most decorators do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class DecoratedCall:
    @wrapped
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return wsgi_app(environ, start_response)


@functools.wraps(wsgi_app)
async def asgi_named_after_wsgi(scope: Any, receive: Any, send: Any) -> None:
    await asgi_app(scope, receive, send)


@functools.wraps(asgi_app)
def wsgi_named_after_asgi(environ: Any, start_response: Any) -> Any:
    return wsgi_app(environ, start_response)


def configured_wsgi(config: Any, environ: Any, start_response: Any) -> Any:
    assert config == "config"
    return wsgi_app(environ, start_response)


async def asgi_with_defaults(scope: Any, receive: Any, send: Any, log: Any = None) -> None:
    await asgi_app(scope, receive, send)


def wsgi_with_defaults(environ: Any, start_response: Any, log: Any = None) -> Any:
    return wsgi_app(environ, start_response)


def create_app(config: Any = None) -> flask.Flask:
    return flask_app.app


def create_for(env: str = "production", debug: bool = False) -> Any:
    return wsgi_app


def create_with_options(**options: Any) -> Any:
    return asgi_app


APPLICATIONS: dict[str, tuple[Any, str]] = {
    # frameworks
    "Flask": (flask_app.app, "wsgi"),
    "Flask's wsgi_app": (flask_app.app.wsgi_app, "wsgi"),
    "Django WSGI": (get_wsgi_application(), "wsgi"),
    "Django ASGI": (get_asgi_application(), "asgi"),
    "Starlette": (starlette_app.app, "asgi"),
    "FastAPI": (starlette_app.fast, "asgi"),
    "Starlette endpoint": (Endpoint, "asgi"),
    "Quart-like": (QuartLike(), "asgi"),
    # functions, objects, classes
    "WSGI function": (wsgi_app, "wsgi"),
    "ASGI function": (asgi_app, "asgi"),
    "WSGI instance": (WsgiInstance(), "wsgi"),
    "WSGI method": (WsgiInstance().method, "wsgi"),
    "WSGI class": (WsgiClass, "wsgi"),
    "sync call that returns a coroutine": (SyncCallOfAsgi(), "asgi"),
    "lambda for ASGI": (lambda scope, receive, send: asgi_app(scope, receive, send), "asgi"),
    "lambda for WSGI": (lambda environ, start: wsgi_app(environ, start), "wsgi"),
    "WSGI with defaults": (wsgi_with_defaults, "wsgi"),
    "WSGI, all optional": (
        lambda environ=None, start_response=None: wsgi_app(environ, start_response),
        "wsgi",
    ),
    "ASGI with defaults": (asgi_with_defaults, "asgi"),
    "sync ASGI with defaults": (
        lambda scope, receive, send, log=None: asgi_app(scope, receive, send),
        "asgi",
    ),
    # ASGI 2
    "ASGI 2 function": (asgi2_function, "asgi"),
    "ASGI 2 class": (Asgi2Class, "asgi"),
    "marked as ASGI 2": (MarkedDouble(), "asgi"),
    "marked as ASGI 3": (MarkedSingle(), "asgi"),
    # partial
    "partial of a WSGI function": (functools.partial(configured_wsgi, "config"), "wsgi"),
    "partial of a Flask app": (functools.partial(flask_app.app), "wsgi"),
    "partial of an ASGI function": (functools.partial(asgi_with_defaults, log=print), "asgi"),
    "partial of an ASGI object": (functools.partial(starlette_app.app), "asgi"),
    "partial of a partial": (functools.partial(functools.partial(QuartLike())), "asgi"),
    "partial of an ASGI 2 class": (functools.partial(Asgi2Class), "asgi"),
    # middleware of others
    "Sentry around ASGI": (SentryAsgiMiddleware(starlette_app.app), "asgi"),
    "Sentry around ASGI 2": (SentryAsgiMiddleware(Asgi2Class), "asgi"),
    "Sentry around WSGI": (SentryWsgiMiddleware(flask_app.app), "wsgi"),
    "WhiteNoise": (WhiteNoise(wsgi_app), "wsgi"),
    "dispatcher": (DispatcherMiddleware(flask_app.app, {"/other": wsgi_app}), "wsgi"),
    "ProxyFix": (ProxyFix(flask_app.app), "wsgi"),
    "a2wsgi around WSGI": (a2wsgi.WSGIMiddleware(wsgi_app), "asgi"),
    "asgiref around WSGI": (WsgiToAsgi(wsgi_app), "asgi"),
    "all of them": (
        OfApp(ProxyFix(OfApp(WhiteNoise(SentryWsgiMiddleware(flask_app.app))))),
        "wsgi",
    ),
    # middleware and decorators that take anything
    "anything around WSGI": (OfApp(wsgi_app), "wsgi"),
    "anything around ASGI": (OfApp(starlette_app.app), "asgi"),
    "anything around anything": (OfApp(OfApp(asgi_app)), "asgi"),
    "anything around ASGI 2": (OfApp(Asgi2Class), "asgi"),
    "anything around an application": (OfApplication(wsgi_app), "wsgi"),
    "anything around an asgi_app": (OfAsgiApp(asgi_app), "asgi"),
    "anything around a server": (OfServer(flask_app.app), "wsgi"),
    "anything around an ASGI server": (OfServer(starlette_app.app), "asgi"),
    "anything around __wrapped__": (ObjectProxy(wsgi_app), "wsgi"),
    "async anything": (AsyncOfApplication(asgi_app), "asgi"),
    "partial of async anything": (functools.partial(AsyncOfApplication(asgi_app)), "asgi"),
    "WSGI and anything": (lambda env, start, *rest: wsgi_app(env, start), "wsgi"),
    "scope and anything": (OfScope(asgi_app), "asgi"),
    "decorated WSGI": (wrapped(wsgi_app), "wsgi"),
    "decorated ASGI": (wrapped(asgi_app), "asgi"),
    "decorated twice": (wrapped(wrapped(asgi_app)), "asgi"),
    "decorated ASGI 2": (wrapped(asgi2_function), "asgi"),
    "decorated method": (DecoratedCall(), "wsgi"),
    "own signature, name of WSGI": (asgi_named_after_wsgi, "asgi"),
    "own signature, name of ASGI": (wsgi_named_after_asgi, "wsgi"),
    "proxy": (LocalProxy(lambda: flask_app.app), "wsgi"),
    # factories
    "factory": (lambda: wsgi_app, "wsgi"),
    "Flask's factory": (create_app, "wsgi"),
    "factory with options": (create_for, "wsgi"),
    "factory with any options": (create_with_options, "asgi"),
    "factory of ASGI 2": (lambda: Asgi2Class, "asgi"),
    "partial of a factory": (functools.partial(create_app, "config"), "wsgi"),
    "cached factory": (functools.cache(create_app), "wsgi"),
    "Django's factory": (get_asgi_application, "asgi"),
    "class without arguments": (QuartLike, "asgi"),
    "class of WSGI without arguments": (WsgiInstance, "wsgi"),
    # import strings
    "import string": (f"{IMPORTABLE}:wsgi_app", "wsgi"),
    "import string of a factory": (f"{IMPORTABLE}:create_app", "wsgi"),
    "import string, nested": (f"{IMPORTABLE}:nested.inner.app", "wsgi"),
    "import string of ASGI": (f"{IMPORTABLE}:nested.asgi", "asgi"),
    "import string of Django's factory": ("django.core.wsgi:get_wsgi_application", "wsgi"),
    # ours
    "gateway around WSGI": (unigate.wrap(wsgi_app), "asgi"),
    "gateway around ASGI": (unigate.wrap(asgi_app), "asgi"),
}


@pytest.mark.parametrize("kind", APPLICATIONS)
def test_interface_is_found_out(kind: str) -> None:
    application, interface = APPLICATIONS[kind]
    assert load(application)[1] == interface


@pytest.mark.parametrize("kind", APPLICATIONS)
def test_application_of_any_kind_answers(kind: str) -> None:
    seen = answer_of(APPLICATIONS[kind][0])
    assert (seen["path"], seen["query"]) == ("/hello", "a=1")


def test_asgi_application_turned_into_wsgi_answers() -> None:
    app = a2wsgi.ASGIMiddleware(asgi_app, loop=process_loop().in_thread())
    assert load(app) == (app, "wsgi")
    assert answer_of(app)["path"] == "/hello"


def test_mounted_gateway_answers_for_its_own_mounts() -> None:
    inner = unigate.wrap(mounts={"/old": flask_app.app, "/new": asgi_app})
    outer = unigate.wrap(wsgi_app, mounts={"/in": inner})
    for path in ("/in/old/x", "/in/new/x", "/x"):
        reply = outer.lambda_handler({**EVENT, "path": path})
        assert (reply["statusCode"], json.loads(reply["body"])["path"]) == (200, path)
    assert outer.lambda_handler({**EVENT, "path": "/in/x"})["statusCode"] == 404


# --- factories -----------------------------------------------------------------------------------


def test_factory_is_called_once() -> None:
    made: list[Any] = []

    def factory() -> Any:
        made.append(wsgi_app)
        return wsgi_app

    gateway = unigate.wrap(factory)
    gateway.lambda_handler(EVENT)
    gateway.lambda_handler(EVENT)
    assert len(made) == 1


def own_servers() -> list[tuple[Any, str]]:
    import aiohttp.web
    import tornado.web
    import web

    class Shop(tornado.web.Application):
        """An application of its own class."""

    alone = "'s own server alone, and is neither a WSGI nor an ASGI application"
    return [
        (aiohttp.web.Application(), f"object is one of aiohttp: it runs on aiohttp{alone}"),
        (tornado.web.Application(), f"object is one of tornado: it runs on tornado{alone}"),
        (Shop(), "The Shop object is one of tornado: it runs on tornado's own server alone"),
        (web.application(), "is one of web.py: pass the WSGI application that its method makes"),
    ]


def test_applications_that_only_their_own_server_can_call_are_named() -> None:
    for app, message in own_servers():
        for given in (app, lambda app=app: app):
            with pytest.raises(UnknownInterface, match=re.escape(message)) as raised:
                unigate.wrap(given)
            assert "Cannot determine" not in str(raised.value)


def test_what_web_py_makes_is_an_application() -> None:
    import web

    assert unigate.wrap(web.application().wsgifunc()).mounts[0].interface == "wsgi"


def test_error_in_a_factory_stays_what_it_is() -> None:
    def factory() -> Any:
        raise LookupError("no DATABASE_URL")

    with pytest.raises(LookupError, match="no DATABASE_URL"):
        unigate.wrap(factory)


def test_factory_of_nothing_is_named() -> None:
    def create_nothing() -> None:
        """Forget the return."""

    with pytest.raises(UnknownInterface, match=r"create_nothing was called as a factory\. .*None"):
        unigate.wrap(create_nothing)


def test_factory_of_a_factory_is_undecided() -> None:
    calls: list[str] = []

    def outer() -> Any:
        return inner

    def inner() -> Any:
        calls.append("inner")

    with pytest.raises(UnknownInterface, match=r"outer was called as a factory\..*inner, called"):
        unigate.wrap(outer)
    assert calls == []


# --- import strings ------------------------------------------------------------------------------


def test_import_string_is_loaded_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, IMPORTABLE, raising=False)
    gateway = unigate.wrap(f"{IMPORTABLE}:wsgi_app", mounts={"/v2": f"{IMPORTABLE}:asgi_app"})
    assert IMPORTABLE not in sys.modules
    assert gateway.lambda_handler(EVENT)["statusCode"] == 200
    assert IMPORTABLE in sys.modules


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (IMPORTABLE, 'not of the form "package.module:attribute"'),
        (":app", 'not of the form "package.module:attribute"'),
        (f"{IMPORTABLE}:", 'not of the form "package.module:attribute"'),
        ("", 'not of the form "package.module:attribute"'),
        ("tests.apps.absent:app", "No module named 'tests.apps.absent'"),
        (f"{IMPORTABLE}:absent", f"'{IMPORTABLE}' has no attribute 'absent'"),
        (f"{IMPORTABLE}:nested.absent", f"'{IMPORTABLE}' has no attribute 'nested.absent'"),
    ],
)
def test_import_string_that_leads_nowhere(target: str, message: str) -> None:
    gateway = unigate.wrap(target)
    for _ in range(2):  # the second use finds no half-loaded gateway
        with pytest.raises(ImportError) as caught:
            gateway.lambda_handler(EVENT)
        assert message in str(caught.value)


def test_import_string_of_no_application() -> None:
    gateway = unigate.wrap(f"{IMPORTABLE}:number")
    with pytest.raises(UnknownInterface, match="int"):
        gateway.lambda_handler(EVENT)


def test_error_inside_an_imported_module_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_a_driver.py").write_text("import a_driver_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        unigate.wrap("needs_a_driver:app").lambda_handler(EVENT)
    assert caught.value.name == "a_driver_that_is_not_installed"


# --- given by the deployer, and undetermined -----------------------------------------------------


@WerkzeugRequest.application
def werkzeug_view(request: WerkzeugRequest) -> WerkzeugResponse:
    """Hide the environ behind `*args`; the signature it shows is the view's."""
    answer = {"path": request.path, "query": request.query_string.decode()}
    return WerkzeugResponse(json.dumps(answer))


@pytest.mark.parametrize(
    ("application", "interface"),
    [
        (lambda *args: wsgi_app(*args), "wsgi"),
        (lambda *args: asgi_app(*args), "asgi"),
        (werkzeug_view, "wsgi"),
        (lambda event, context: wsgi_app(event, context), "wsgi"),
    ],
)
def test_interface_that_is_told_decides(application: Any, interface: Any) -> None:
    with pytest.raises(UnknownInterface):
        unigate.wrap(application)
    assert answer_of(application, interface=interface)["path"] == "/hello"


def test_interface_that_is_told_ends_the_guessing() -> None:
    assert load(create_app, "wsgi") == (create_app, "wsgi")
    assert load(wsgi_app, "asgi") == (wsgi_app, "asgi")
    assert load(f"{IMPORTABLE}:create_app", "wsgi")[0].__name__ == "create_app"


def test_interface_that_is_told_is_the_roots_alone() -> None:
    gateway = unigate.wrap(
        lambda *args: wsgi_app(*args), mounts={"/v2": asgi_app}, interface="wsgi"
    )
    for path in ("/hello", "/v2/hello"):
        reply = gateway.lambda_handler({**EVENT, "path": path})
        assert (reply["statusCode"], json.loads(reply["body"])["path"]) == (200, path)


class NeedsOne:
    def __init__(self, app: Any) -> None: ...


class NeedsTwo:
    def __init__(self, name: str, value: int) -> None: ...


class NeedsThree:
    def __init__(self, host: str, port: int, path: str) -> None: ...


class NeedsNamed:
    def __init__(self, *, name: str) -> None: ...


class LambdaHandler:
    def __call__(self, event: Any, context: Any) -> Any: ...


class Private:
    """Middleware that takes anything and shows nothing."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, *args: Any) -> Any:
        return self._app(*args)


def handler(event: Any, context: Any) -> Any: ...


async def async_pair(scope: Any, receive: Any) -> None: ...


async def async_four(scope: Any, receive: Any, send: Any, state: Any) -> None: ...


async def async_factory() -> Any:
    return asgi_app


circle = OfApp(OfApp(None))
circle.app.app = circle


@pytest.mark.parametrize(
    ("application", "seen"),
    [
        (flask, r"'flask' is a module\. Pass the application in it\.$"),
        (plain_wsgi, r"'tests.servers.plain_wsgi' is a module.*, tests.servers.plain_wsgi.app\.$"),
        (7, "int object cannot be called"),
        (b"module:app", "bytes object cannot be called"),
        (object(), "object object cannot be called"),
        (NeedsOne, "NeedsOne is a class"),
        (NeedsTwo, "NeedsTwo is a class"),
        (
            NeedsThree,
            "NeedsThree is a class",
        ),
        (
            NeedsNamed,
            "NeedsNamed is a class",
        ),
        (flask.Flask, "Flask is a class"),
        (
            fastapi.FastAPI,
            r"FastAPI is a class.* Pass an instance of it: app = FastAPI\(\.\.\.\)",
        ),
        (Starlette, "Starlette is a class"),
        (sanic.Sanic, "Sanic is a class"),  # with asgiref's mark, which is for its instances
        (NeedsOne(1), "NeedsOne object cannot be called"),
        (handler, r"handler, called with \(event: 'Any', context: 'Any'\)"),
        (lambda event, _: {}, r"<lambda>, called with \(event, _\)"),
        (
            LambdaHandler(),
            r"the LambdaHandler object, called with \(event: 'Any', context: 'Any'\)",
        ),
        (lambda *a: None, r"<lambda>, called with \(\*a\)"),
        (lambda request: None, r"<lambda>, called with \(request\)"),
        (lambda a, b, c, d: None, r"<lambda>, called with \(a, b, c, d\)"),
        (Private(wsgi_app), r"the Private object, called with \(\*args: 'Any'\)"),
        (OfApp(create_app), r"the OfApp object, called with \(\*args: 'Any', \*\*kwargs: 'Any'\)"),
        (circle, "the OfApp object, called with"),
        (async_pair, r"async_pair, called with \(scope: 'Any', receive: 'Any'\)"),
        (async_four, r"async_four, called with \(scope: 'Any', receive: 'Any', send: 'Any', state"),
        (async_factory, r"async_factory, called with \(\)"),
        (async_factory, "A factory must not be: pass what it returns"),
        (
            lambda config: asgi_app,
            "If it is a factory that needs arguments, pass what it returns",
        ),
        (
            lambda config, debug=False: asgi_app,
            "If it is a factory that needs arguments, pass what it returns",
        ),
        (math.hypot, r"hypot, called with \(unknown\)"),
        (functools.partial(handler), "the partial object"),
    ],
)
def test_undecidable_object_is_refused_with_what_was_seen(application: Any, seen: str) -> None:
    with pytest.raises(UnknownInterface, match=seen):
        unigate.wrap(application)
    with pytest.raises(UnknownInterface, match=seen):
        unigate.wrap(wsgi_app, mounts={"/v2": application})


def test_refusal_of_a_callable_says_what_to_do() -> None:
    with pytest.raises(UnknownInterface, match=r'pass interface="wsgi" or "asgi" to wrap\(\)'):
        unigate.wrap(async_pair)


def handler_of_callbacks(event: Any, context: Any, callback: Any) -> Any: ...


async def async_handler(event: Any, context: Any) -> Any: ...


class Adapter(LambdaHandler):
    """What Mangum and its like make of an application."""

    def __init__(self, app: Any) -> None:
        self.app = app


HANDLERS = {
    "function": handler,
    "async": async_handler,
    "object": LambdaHandler(),
    "method": LambdaHandler().__call__,
    "callback": handler_of_callbacks,
    "optional context": lambda event, context=None: {},
    "event, _": lambda event, _: {},
    "evt, ctx": lambda evt, ctx: {},
    "_event, _context": lambda _event, _context: {},
    "request, context": lambda request, context: {},
    "partial": functools.partial(handler_of_callbacks, callback=None),
    "functools.wraps": functools.wraps(handler)(lambda *args: handler(*args)),
    "apig-wsgi": make_lambda_handler(wsgi_app),
    "serverless-wsgi": serverless_wsgi.handle_request,
    "lambda_handler of a gateway": unigate.wrap(wsgi_app).lambda_handler,
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_a_handler_of_lambda_is_no_application(kind: str) -> None:
    with pytest.raises(
        UnknownInterface, match=r"a handler of Lambda events.*wrap\(\.\.\., around="
    ):
        unigate.wrap(HANDLERS[kind])


async def mangum() -> Any:
    return Mangum(asgi_app)  # which would make an event loop where there is none


@pytest.mark.parametrize("adapter", [Adapter(asgi_app), asyncio.run(mangum())])
def test_an_adapter_for_lambda_is_named_with_its_application(adapter: Any) -> None:
    name = type(adapter).__name__
    with pytest.raises(
        UnknownInterface, match=rf"{name} object.*that it calls, its attribute 'app'\."
    ):
        unigate.wrap(adapter)


def test_a_file_named_like_this_library_is_named() -> None:
    with pytest.raises(ImportError, match=r"no attribute 'app'\. It is this library\..*rename"):
        unigate.wrap("unigate:app").load()
    with pytest.raises(TypedError, match=r"Handler 'app' missing.*It is this library"):
        handlers.load("unigate.app")


def test_nothing_to_wrap_is_refused() -> None:
    with pytest.raises(TypeError, match=r"an application, mounts, or both.*`return` is missing"):
        unigate.wrap(None)
    with pytest.raises(UnknownInterface, match=r"mounts\['/v2'\]: .*is None: `return` is missing"):
        unigate.wrap(mounts={"/v2": None})


def test_a_mark_on_a_function_comes_before_its_parameters() -> None:
    def application(env: Any, second: Any) -> Any: ...

    assert load(application)[1] == "wsgi"
    vars(application)["_asgi_single_callable"] = True
    assert load(application)[1] == "asgi"


def test_a_function_that_demands_a_keyword_is_no_application() -> None:
    def application(environ: Any, start_response: Any, *, settings: Any) -> Any: ...

    with pytest.raises(UnknownInterface, match="settings"):
        load(application)


def create_with_two(environment: str, debug: bool) -> Any:
    return flask_app.app


@pytest.mark.parametrize("host", ["http_api", "handle", "wsgi", "asgi"])
def test_a_factory_that_looks_like_an_application_is_named_when_it_is_called(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request("GET", headers=Headers([("host", "example.org")]))
    assert HOSTS[host](unigate.wrap(create_with_two), request).status == 500
    assert "got <Flask 'contract'>." in caplog.text
    assert "If it is a factory, pass what it returns" in caplog.text
