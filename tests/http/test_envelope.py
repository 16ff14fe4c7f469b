from __future__ import annotations

import json
from typing import Any

import pytest

from unigate.errors import InvalidEvent
from unigate.http import Headers, Response, read_envelope, write_envelope


def test_an_envelope_holds_status_body_and_flag_and_nothing_else() -> None:
    response = Response(299, Headers([("content-type", "text/plain")]), "ol\xe1".encode())
    assert write_envelope(response, {"headers": {}}) == {
        "headers": {},
        "statusCode": 299,
        "body": "ol\xe1",
        "isBase64Encoded": False,
    }


def test_an_envelope_of_bytes_is_base64() -> None:
    envelope = write_envelope(Response(200, body=b"\xff\0"), {})
    assert json.loads(json.dumps(envelope)) == {
        "statusCode": 200,
        "body": "/wA=",
        "isBase64Encoded": True,
    }
    assert read_envelope(envelope).body == b"\xff\0"


def test_an_envelope_without_a_body_is_empty_text() -> None:
    assert write_envelope(Response(204), {}) == {
        "statusCode": 204,
        "body": "",
        "isBase64Encoded": False,
    }


def test_a_name_in_both_maps_counts_in_the_multi_value_one() -> None:
    reply = {
        "statusCode": 200,
        "headers": {"Vary": "lost", "X-A": "kept"},
        "multiValueHeaders": {"vary": ["accept", "cookie"]},
        "body": "ok",
    }
    fields = [("x-a", "kept"), ("vary", "accept"), ("vary", "cookie")]
    assert read_envelope(reply) == Response(200, Headers(fields), b"ok")


@pytest.mark.parametrize(
    "reply",
    [
        {"statusCode": 204},
        {"statusCode": "204", "headers": None, "multiValueHeaders": None, "body": None},
        {"statusCode": 204, "headers": {}, "multiValueHeaders": {}, "isBase64Encoded": True},
    ],
)
def test_members_that_are_null_or_missing_are_empty(reply: dict[str, Any]) -> None:
    assert read_envelope(reply) == Response(204)


def test_an_envelope_that_lies_about_base64_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        read_envelope({"statusCode": 200, "body": "plain!", "isBase64Encoded": True})
