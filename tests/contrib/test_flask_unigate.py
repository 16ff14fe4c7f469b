from __future__ import annotations

import pytest
from flask import Flask, Request, request

import unigate
from flask_unigate import Unigate


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
    seen = []
    Unigate(app)
    app.before_request(lambda: seen.append((request.unigate, unigate.current_request())))

    reply = unigate.wrap(app).lambda_handler(EVENT, None)

    assert reply["statusCode"] == 200
    [(on_flask, current)] = seen
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


def test_the_applications_own_request_class_is_kept() -> None:
    class ShoutingRequest(Request):
        def shout(self) -> str:
            return self.path.upper()

    app = make_app()
    app.request_class = ShoutingRequest
    Unigate(app)

    with app.test_request_context("/tea"):
        assert isinstance(request._get_current_object(), ShoutingRequest)
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

    with pytest.raises(RuntimeError, match=r"'shop' has a Unigate extension already\. Call"):
        Unigate(app)

    assert app.request_class is before
