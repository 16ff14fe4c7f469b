from __future__ import annotations

import chat
import main
from starlette.testclient import TestClient


def test_a_websocket_goes_to_the_application() -> None:
    with TestClient(main.app).websocket_connect("/echo") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def event(route: str, kind: str, body: str | None = None) -> dict[str, object]:
    about = {
        "routeKey": route,
        "eventType": kind,
        "connectionId": "c1",
        "stage": "prod",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
    }
    return {"requestContext": about, "body": body, "isBase64Encoded": False}


def test_messages_of_api_gateway_are_events() -> None:
    chat.app.lambda_handler(event("$connect", "CONNECT"), None)
    assert chat.connections == {"c1"}
    reply = chat.app.lambda_handler(event("$default", "MESSAGE", "hello"), None)
    assert reply == {"statusCode": 200, "body": "HELLO"}
    chat.app.lambda_handler(event("$disconnect", "DISCONNECT"), None)
    assert chat.connections == set()
