"""The doors: which one a call takes, and what each does at the edges."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import logging
import re
import threading
from collections import UserDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

import unigate
from tests.apps import plain
from tests.hosts import HOSTS, asgi_scope, ask_asgi, ask_wsgi, wsgi_environ
from unigate import Request, Response
from unigate.events import alb
from unigate.keywords import unknown_keywords

GET = {"httpMethod": "GET", "path": "/here"}

every_event_host = pytest.mark.parametrize(
    "host", [name for name in HOSTS if name not in ("asgi", "wsgi")]
)


def sends(status: int = 200, body: bytes = b"ok", content_type: str = "text/plain") -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{status} Status", [("content-type", content_type)])
        return [body]

    return app


def fails(environ: Any, start_response: Any) -> list[bytes]:
    raise KeyError("secret detail")


async def fails_async(scope: Any, receive: Any, send: Any) -> None:
    raise KeyError("secret detail")


# --- calling the object ---------------------------------------------------------------------------


def test_two_arguments_with_an_event_are_lambdas() -> None:
    assert unigate.wrap(sends())(GET, None)["statusCode"] == 200


def test_two_arguments_with_an_environ_are_wsgi() -> None:
    app = unigate.wrap(sends())
    started: list[str] = []
    body = app(
        wsgi_environ(Request("GET", b"/")), lambda status, headers, exc=None: started.append(status)
    )
    assert (list(body), started) == ([b"ok"], ["200 Status"])


def test_three_arguments_are_asgi() -> None:
    assert ask_asgi(unigate.wrap(sends()), Request("GET", b"/")).body == b"ok"


def test_keywords_are_asgi_as_daphne_calls() -> None:
    app = unigate.wrap(sends())

    async def by_keyword(scope: Any, receive: Any, send: Any) -> None:
        await app(scope=scope, receive=receive, send=send)

    assert ask_asgi(by_keyword, Request("GET", b"/")).body == b"ok"


EVENT_CALLS: dict[str, Callable[[Any], Any]] = {
    "event": lambda app: app(GET),
    "event, context": lambda app: app(GET, None),
    "event, context=": lambda app: app(GET, context=None),
    "event=": lambda app: app(event=GET),
    "event=, context=": lambda app: app(event=GET, context=None),
    "context=, event=": lambda app: app(context=None, event=GET),
    "JSON text": lambda app: app(json.dumps(GET)),
    "another mapping": lambda app: app(UserDict(GET)),
}


@pytest.mark.parametrize("how", EVENT_CALLS)
def test_a_call_with_an_event_is_answered(how: str) -> None:
    assert EVENT_CALLS[how](unigate.wrap(sends()))["statusCode"] == 200


def test_the_context_of_a_call_reaches_the_application() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(unigate.current_request().context)
        start_response("200 OK", [])
        return []

    gateway = unigate.wrap(app)
    gateway(GET, context="a")
    gateway(event=GET, context="b")
    assert seen == ["a", "b"]


def test_no_arguments_are_a_type_error_as_uvicorn_probes_for_factories() -> None:
    with pytest.raises(TypeError, match="scope"):
        unigate.wrap(sends())()


@pytest.mark.parametrize(
    ("args", "kwargs", "got"),
    [
        ((), {}, r"got \(\)"),
        ((1, 2, 3, 4), {}, r"got \(int, int, int, int\)"),
        ((GET,), {"event": GET}, r"got \(dict, event=\)"),
        ((GET, None), {"context": None}, r"got \(dict, NoneType, context=\)"),
        ((), {"context": None}, r"got \(context=\)"),
        ((), {"environ": {}, "start_response": print}, r"got \(environ=, start_response=\)"),
        (({"type": "http", "asgi": {"version": "3.0"}},), {}, r"got \(dict\)"),  # ASGI 2
    ],
)
def test_a_call_of_no_door_says_how_to_call(args: Any, kwargs: Any, got: str) -> None:
    with pytest.raises(TypeError, match=rf"\(event, context\).*\(scope, receive, send\), {got}"):
        unigate.wrap(sends())(*args, **kwargs)


@pytest.mark.parametrize("app", [sends(), plain.asgi_app], ids=["wsgi", "asgi"])
def test_awaiting_the_reply_to_an_event_names_handle(app: Any) -> None:
    gateway = unigate.wrap(app)

    async def awaits() -> Any:
        return await gateway(GET, None)

    async def awaits_alone() -> Any:
        return await gateway(GET)

    async def calls() -> Any:
        reply = gateway(GET, None)
        await asyncio.sleep(0)
        return reply

    for coroutine in (awaits, awaits_alone):
        with pytest.raises(TypeError, match=r"await app\.handle\(event, context\)"):
            asyncio.run(coroutine())
    assert "statusCode" in asyncio.run(calls())


def test_a_gateway_has_the_names_that_decorators_read() -> None:
    gateway = unigate.wrap(sends())

    @functools.wraps(gateway)
    def wrapped(event: Any, context: Any) -> Any:
        return gateway(event, context)

    assert (wrapped.__name__, wrapped.__qualname__) == ("lambda_handler", "Gateway.lambda_handler")
    assert wrapped(GET, None)["statusCode"] == 200


def test_repr_names_what_is_wrapped() -> None:
    assert "wsgi_app" in repr(unigate.wrap(plain.wsgi_app))


# --- decorators of Lambda handlers ----------------------------------------------------------------


def noting(name: str, notes: list[str]) -> Callable[[Any], Any]:
    def decorator(handler: Any) -> Any:
        assert type(handler) is FunctionType  # all that some decorators take
        notes.append(f"{name} around {handler.__name__}")

        def noted(event: Any, context: Any = None) -> Any:
            notes.append(name)
            return handler(event, context)

        return noted

    return decorator


EVENT_DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "lambda_handler": lambda app, event: app.lambda_handler(event, None),
    "call": lambda app, event: app(event),
    "handle": lambda app, event: asyncio.run(app.handle(event)),
}


@pytest.mark.parametrize("door", EVENT_DOORS)
@pytest.mark.parametrize("application", [sends(), plain.asgi_app], ids=["wsgi", "asgi"])
def test_decorators_are_around_every_event(door: str, application: Any) -> None:
    notes: list[str] = []
    decorators = (noting(name, notes) for name in ("outer", "inner"))
    app = unigate.wrap(application, around=decorators, lifespan="off")
    app.on_event("sns")(lambda event, context: "noted")
    assert notes == ["inner around lambda_handler", "outer around noted"]
    del notes[:]

    assert EVENT_DOORS[door](app, GET)["statusCode"] == 200
    assert EVENT_DOORS[door](app, {"Records": [{"EventSource": "aws:sns"}]}) == "noted"
    assert notes == ["outer", "inner"] * 2


@pytest.mark.parametrize("host", HOSTS)
def test_decorators_see_events_and_no_requests_of_servers(host: str) -> None:
    notes: list[str] = []
    app = unigate.wrap(sends(), around=[noting("seen", notes)])
    assert HOSTS[host](app, Request("GET", b"/")).body == b"ok"
    servers = ("asgi", "wsgi", "google", "azure")
    assert notes[1:] == ([] if host in servers else ["seen"])


def test_handle_does_not_block_its_loop_with_decorators() -> None:
    async def both() -> Any:
        called, goes_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def waiting(handler: Any) -> Any:
            def waits(event: Any, context: Any) -> Any:
                loop.call_soon_threadsafe(called.set)
                assert goes_on.wait(20)
                return handler(event, context)

            return waits

        task = asyncio.create_task(unigate.wrap(sends(), around=[waiting]).handle(GET))
        await asyncio.wait_for(called.wait(), 20)
        goes_on.set()
        return await task

    assert asyncio.run(both())["statusCode"] == 200


def test_what_a_decorator_raises_is_raised() -> None:
    def refusing(handler: Any) -> Any:
        def refuses(event: Any, context: Any) -> Any:
            raise PermissionError("not you")

        return refuses

    with pytest.raises(PermissionError, match="not you"):
        unigate.wrap(sends(), around=[refusing])(GET, None)


@pytest.mark.parametrize("around", [[lambda handler: None], [lambda handler: {"statusCode": 200}]])
def test_a_decorator_must_return_a_function(around: Any) -> None:
    with pytest.raises(TypeError, match=r"`around` must return a function, .*lambda.* returned"):
        unigate.wrap(sends(), around=around)


def generating(handler: Any) -> Any:
    def yields(event: Any, context: Any) -> Any:
        yield handler(event, context)

    return yields


def test_a_decorator_must_not_return_a_generator() -> None:
    with pytest.raises(TypeError, match="returned a generator function: write `return`"):
        unigate.wrap(sends(), around=[generating])


def test_a_decorator_that_fails_as_a_call_is_told_apart_from_one_that_raises() -> None:
    class Odd:
        def __call__(self, handler: Any, *, name: str) -> Any: ...

    with pytest.raises(TypeError, match=r"must be callable with a handler, got .*Odd.*'name'"):
        unigate.wrap(sends(), around=[Odd()])

    def broken(handler: Any) -> Any:
        return handler + 1

    with pytest.raises(TypeError, match="unsupported operand"):
        unigate.wrap(sends(), around=[broken])


def asynchronous(handler: Any) -> Any:
    async def awaiting(event: Any, context: Any) -> Any:
        return handler(event, context)

    return awaiting


async def asynchronous_itself(handler: Any) -> Any:
    return handler


class AsynchronousObject:
    def __init__(self, handler: Any) -> None:
        self.handler = handler

    async def __call__(self, event: Any, context: Any) -> Any:
        return self.handler(event, context)


@pytest.mark.parametrize(
    "decorator",
    [
        *(asynchronous, asynchronous_itself, AsynchronousObject),
        lambda handler: functools.partial(asynchronous(handler)),
    ],
)
@pytest.mark.parametrize("more", [[], [lambda handler: handler]])
def test_an_asynchronous_decorator_is_refused(decorator: Any, more: Any) -> None:
    with pytest.raises(TypeError, match=r"returns the reply, .* is asynchronous, or what"):
        unigate.wrap(sends(), around=[*more, decorator, *more])


@pytest.mark.parametrize("door", EVENT_DOORS)
@pytest.mark.parametrize("event", [GET, {"Records": [{"EventSource": "aws:sns"}]}])
def test_a_decorator_that_returns_an_awaitable_is_refused_with_the_first_event(
    door: str, event: Any
) -> None:
    def late(handler: Any) -> Any:
        return lambda event, context: asynchronous(handler)(event, context)

    app = unigate.wrap(sends(), around=[late])
    app.on_event("sns")(lambda event, context: "noted")
    with pytest.raises(TypeError, match=r"write `def` in place of `async def`"):
        EVENT_DOORS[door](app, event)


def a_handler(event: Any, context: Any) -> Any: ...


class OfMethods:
    def decorates(self, handler: Any) -> Any:
        return handler

    def handles(self, event: Any, context: Any) -> Any: ...

    def takes_nothing(self) -> Any: ...


@pytest.mark.parametrize(
    ("decorator", "count"),
    [
        *((a_handler, 2), (OfMethods().handles, 2), (OfMethods().takes_nothing, 0)),
        (lambda: None, 0),
    ],
)
def test_a_function_that_is_no_decorator_is_refused(decorator: Any, count: int) -> None:
    with pytest.raises(TypeError, match=rf"take a handler .* needs {count} arguments"):
        unigate.wrap(sends(), around=[decorator])


def test_a_decorator_may_have_more_parameters_with_defaults() -> None:
    decorators: list[Any] = [
        *(OfMethods().decorates, lambda *args: args[0], lambda handler, more=None: handler),
        *(lambda handler=None, more=None: handler, functools.partial(lambda more, h: h, 1)),
    ]
    assert unigate.wrap(sends(), around=decorators)(GET, None)["statusCode"] == 200


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"api_gateway_base_path": "/v1"}, "write base_path="),
        ({"binary_support": True}, "leave it out: responses that are not text are sent as base64"),
        ({"text_mime_types": []}, "write text_types="),
        ({"exclude_headers": ["server"]}, "in a middleware"),
        ({"keep_warm": True}, "let a rule of EventBridge send the events"),
        ({"exception_handler": "shop.report"}, "write around=[...]"),
        ({"authorizer": {}}, 'app.on_event("authorizer")'),
        ({"mount": {}}, "did you mean mounts=...?"),
        ({"trusted_proxy": 1}, "did you mean trusted_proxies=...?"),
        ({"colour": 1}, "it has around, base_path, cache, interface, "),
        ({"base_paht": "/", "binary_support": True}, "base_path=...? wrap() has no argument 'bin"),
    ],
)
def test_a_keyword_that_wrap_does_not_have_is_refused_with_the_one_to_write(
    keywords: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(words)) as error:
        unigate.wrap(sends(), **keywords)
    assert str(error.value).startswith(f"wrap() has no argument '{next(iter(keywords))}': ")


def test_what_other_gateways_call_arguments_leads_to_those_of_wrap() -> None:
    known = {*inspect.signature(unigate.wrap).parameters}
    for module, name in OTHER_GATEWAYS:
        made = getattr(importlib.import_module(module), name)
        for keyword in [*inspect.signature(made).parameters][1:]:
            advice = unknown_keywords([keyword], known)
            assert keyword in known or "it has" not in advice, advice


# Their first parameter is the application.
OTHER_GATEWAYS = [("mangum", "Mangum"), ("apig_wsgi", "make_lambda_handler")]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, "application, mounts, or both"),
        ({"application": plain.wsgi_app, "interface": "cgi"}, ValueError, "'asgi', 'wsgi'"),
        ({"application": plain.wsgi_app, "lifespan": "maybe"}, ValueError, "'auto', 'on', 'off'"),
        ({"application": plain.wsgi_app, "on_error": "ignore"}, ValueError, "'respond', 'raise'"),
        ({"application": plain.wsgi_app, "source": "fax"}, ValueError, "http_api"),
        ({"application": 7}, unigate.UnknownInterface, "cannot be called"),
        *(
            ({"application": plain.wsgi_app, "around": around}, TypeError, "a list of decorators")
            for around in (noting, "noting", [5], ["noting"], [None])
        ),
        ({"application": plain.wsgi_app, "around": 7}, TypeError, "a list of decorators, got 7"),
        ({"application": plain.wsgi_app, "sources": 7}, TypeError, "a list of event sources"),
        *(
            ({"application": plain.wsgi_app, "sources": given}, TypeError, "list of event sources")
            for given in ("alb", [5], ["alb"], [None], alb)
        ),
        ({"mounts": [("/v2", plain.wsgi_app)]}, TypeError, "mounts must map prefixes"),
        ({"mounts": {"/a//b": plain.wsgi_app}}, ValueError, "a path like"),
        (
            {"application": plain.wsgi_app, "base_path": ["/a"]},
            TypeError,
            "base_path must be a str",
        ),
        ({"application": plain.wsgi_app, "base_path": "/a//b"}, ValueError, "a path like"),
        ({"application": plain.wsgi_app, "base_path": "https://a/b"}, ValueError, "public_url"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        unigate.wrap(**arguments)


@pytest.mark.parametrize("name", ["sources", "around", "mounts", "base_path", "text_types"])
def test_none_and_nothing_are_the_same(name: str) -> None:
    arguments: Any = {name: None}
    assert unigate.wrap(plain.wsgi_app, **arguments)(GET, None)["statusCode"] == 200


# --- events ---------------------------------------------------------------------------------------


def test_event_of_no_source_is_refused_with_what_was_seen() -> None:
    with pytest.raises(unigate.UnknownEvent, match=r"'detail-type'.*rest_api"):
        unigate.wrap(sends())({"version": "0", "detail-type": "Scheduled Event"}, None)


def test_named_source_skips_detection() -> None:
    app = unigate.wrap(sends(), source="http_api")
    reply = app({"requestContext": {"http": {"method": "GET"}}}, None)
    assert reply["cookies"] == []
    assert app({}, None)["statusCode"] == 200


@pytest.mark.parametrize("event", [None, [], "text"])
@pytest.mark.parametrize("source", ["http_api", "rest_api", "alb"])
def test_event_of_another_shape_than_the_named_source_is_refused(event: Any, source: str) -> None:
    with pytest.raises(unigate.UnknownEvent):
        unigate.wrap(sends(), source=source)(event, None)


class Telegram:
    """An event source from outside: any object with the functions."""

    __name__ = "telegram"

    def matches(self, event: Any) -> bool:
        return isinstance(event, str)

    def to_request(self, event: str, context: Any) -> Request:
        return Request("GET", event.encode(), source="telegram", event=event, context=context)

    def to_reply(self, response: Response, event: str) -> Any:
        return {"text": response.body.decode()}


@pytest.mark.parametrize("options", [{}, {"source": "telegram"}])
def test_source_from_outside_is_tried_first(options: Any) -> None:
    telegram: Any = Telegram()
    app = unigate.wrap(sends(), sources=[telegram], **options)
    assert app("/stop", None) == {"text": "ok"}
    if not options:
        assert app(GET, None)["statusCode"] == 200


@pytest.mark.parametrize("door", ["lambda_handler", "handle"])
def test_broken_base64_is_a_400(door: str, caplog: pytest.LogCaptureFixture) -> None:
    app = unigate.wrap(sends())
    event = {**GET, "body": "Hello from Lambda!", "isBase64Encoded": True}
    reply = getattr(app, door)(event, None)
    if door == "handle":
        reply = asyncio.run(reply)
    assert (reply["statusCode"], reply["body"]) == (400, "Bad Request")
    assert "not the base64" in caplog.text


def test_event_and_context_are_at_hand() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        request = unigate.current_request()
        assert (request.event, request.context) == (GET, "context")
        return sends()(environ, start_response)

    assert unigate.wrap(app, on_error="raise")(GET, "context")["statusCode"] == 200


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", [fails, fails_async])
@pytest.mark.parametrize("host", HOSTS)
def test_failure_is_logged_and_answered_without_details(
    host: str, app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    response = HOSTS[host](unigate.wrap(app), Request("GET", b"/here"))
    assert response.status == 500
    assert b"secret" not in response.body
    assert response.headers["content-type"].startswith("text/plain")
    assert "Traceback" in caplog.text
    assert "KeyError: 'secret detail'" in caplog.text
    assert "GET '/here'" in caplog.text


@pytest.mark.parametrize("app", [fails, fails_async])
@every_event_host
def test_failure_reaches_the_platform_when_asked(host: str, app: Any) -> None:
    with pytest.raises(KeyError, match="secret"):
        HOSTS[host](unigate.wrap(app, on_error="raise"), Request("GET", b"/"))


def test_failure_reaches_the_server_when_asked() -> None:
    with pytest.raises(KeyError):
        ask_asgi(unigate.wrap(fails_async, on_error="raise").asgi, Request("GET", b"/"))
    with pytest.raises(KeyError):
        ask_asgi(unigate.wrap(fails, on_error="raise").asgi, Request("GET", b"/"))
    with pytest.raises(KeyError):
        ask_wsgi(unigate.wrap(fails, on_error="raise").wsgi, Request("GET", b"/"))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_wish_to_exit_always_gets_through(error: type[BaseException]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise error

    with pytest.raises(error):
        unigate.wrap(app)(GET, None)
    with pytest.raises(error):
        unigate.wrap(app).wsgi(wsgi_environ(Request("GET", b"/")), lambda *call: None)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_wish_to_exit_of_an_asgi_application_reaches_the_wsgi_server(
    error: type[BaseException],
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(error):
        ask_wsgi(unigate.wrap(app, lifespan="off").wsgi, Request("GET", b"/"))


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "fits", "too_large"),
    [
        ("http_api", 6_000_000, 6_291_456),
        ("rest_api", 6_000_000, 6_291_456),
        ("alb", 1_000_000, 1_048_576),
        ("vercel", 3_300_000, 3_400_000),
    ],
)
def test_response_too_large_for_the_platform_says_so(
    host: str, fits: int, too_large: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert HOSTS[host](unigate.wrap(sends(body=b"x" * fits)), Request("GET", b"/")).status == 200
    response = HOSTS[host](unigate.wrap(sends(body=b"x" * too_large)), Request("GET", b"/"))
    assert response.status == 500
    assert b"too large" in response.body
    assert "too large" in caplog.text


def test_size_is_that_of_the_json() -> None:
    body = b"\x01" * 1_200_000  # each is six characters in JSON
    response = HOSTS["http_api"](unigate.wrap(sends(body=body)), Request("GET", b"/"))
    assert response.status == 500


def test_names_that_clients_invent_are_not_kept_for_ever() -> None:
    from unigate.environ import _KEYS
    from unigate.http.headers import _ENCODED, _LOWER
    from unigate.http.response_fields import _FIELD_NAMES

    def app(environ: Any, start_response: Any) -> list[bytes]:
        name = next(key for key in environ if key.startswith("HTTP_X_INVENTED"))
        start_response("204 No Content", [(name[5:].lower().replace("_", "-"), environ[name])])
        return []

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        headers = [pair for pair in scope["headers"] if pair[0].startswith(b"x-invented")]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    for gateway in (unigate.wrap(app), unigate.wrap(asgi_app)):
        for number in range(2500):
            event = {**GET, "headers": {f"X-Invented-{number}": str(number)}}
            reply = gateway(event, None)["multiValueHeaders"]
            assert reply == {f"x-invented-{number}": [str(number)]}
    sizes = [len(_LOWER), *(len(memo.known) for memo in (_ENCODED, _FIELD_NAMES, _KEYS))]
    assert max(sizes) < 2100


# --- base path and stage --------------------------------------------------------------------------


def _mounted_at(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps([environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/v1/users", ["/v1", "/users"]),
        (b"/v1", ["/v1", "/"]),
        (b"/v1/", ["/v1", "/"]),
        (b"/v10/users", ["", "/v10/users"]),
        (b"/users", ["", "/users"]),
        (b"/v1/v1/x", ["/v1", "/v1/x"]),
    ],
)
@pytest.mark.parametrize("base_path", ["/v1", "v1/"])
def test_base_path_is_cut_at_a_boundary(
    host: str, path: bytes, expected: list[str], base_path: str
) -> None:
    app = unigate.wrap(_mounted_at, base_path=base_path)
    assert json.loads(HOSTS[host](app, Request("GET", path)).body) == expected


@pytest.mark.parametrize("base_path", [None, "", "/"])
def test_no_base_path_is_none(base_path: str | None) -> None:
    app = unigate.wrap(_mounted_at, base_path=base_path)
    assert json.loads(HOSTS["generic"](app, Request("GET", b"/x")).body) == ["", "/x"]


def test_stage_becomes_the_root_path() -> None:
    request = Request("GET", b"/prod/users", root_path="/prod")
    for host in ("http_api", "rest_api"):
        body = HOSTS[host](unigate.wrap(_mounted_at), request).body
        assert json.loads(body) == ["/prod", "/users"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (scope["root_path"], scope["path"]) == ("/prod", "/prod/users")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    for host in ("http_api", "rest_api", "asgi"):
        assert HOSTS[host](unigate.wrap(app, on_error="raise"), request).status == 204


@pytest.mark.parametrize("app", [plain.wsgi_app, plain.asgi_app])
@pytest.mark.parametrize("members", [{"headers": []}, {}])
def test_scope_may_leave_out_what_the_specification_lets_it(app: Any, members: Any) -> None:
    gateway = unigate.wrap(app)

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        for name in ("headers", "state", "raw_path", "root_path", "client", "server", "scheme"):
            del scope[name]
        await gateway.asgi({**scope, "state": None, **members}, receive, send)

    assert ask_asgi(bare, Request("GET", b"/odd-status")).body == b"odd"


# --- WebSocket ------------------------------------------------------------------------------------


def _websocket(app: unigate.Gateway, path: str) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {**asgi_scope(Request("GET", path.encode())), "type": "websocket", "scheme": "wss"}
    del scope["method"]
    asyncio.run(app.asgi(scope, receive, send))
    return sent


def test_websocket_reaches_an_asgi_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        assert unigate.current_request().path == "/v2/chat"
        assert scope["root_path"] == "/v2"
        await receive()
        await send({"type": "websocket.accept"})

    gateway = unigate.wrap(sends(), mounts={"/v2": app})
    assert _websocket(gateway, "/v2/chat") == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("gateway", [unigate.wrap(sends()), unigate.wrap(mounts={"/x": sends()})])
def test_websocket_is_refused_where_nobody_speaks_it(
    gateway: unigate.Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert _websocket(gateway, "/chat") == [{"type": "websocket.close", "code": 1000}]
    assert "WebSocket" in caplog.text


# --- the rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_without_a_root_application_the_rest_is_a_404(host: str) -> None:
    app = unigate.wrap(mounts={"/v2": sends()})
    assert HOSTS[host](app, Request("GET", b"/v2/x")).body == b"ok"
    response = HOSTS[host](app, Request("GET", b"/v20/x"))
    assert (response.status, response.body) == (404, b"Not Found")
