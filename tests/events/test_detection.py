from __future__ import annotations

from typing import Any

import pytest

from tests.samples import load, names
from unigate.errors import UnknownEvent
from unigate.events import SOURCES, alb, find_source, name_of, rest_api, source_named

SOURCE_NAMES = [name_of(source) for source in SOURCES]
HTTP_SAMPLES = [name for source in SOURCE_NAMES for name in names(source)]

# What the message calls each look-alike; "" where nothing marks it as a relative of HTTP.
LOOKALIKES = {
    "alibaba_fc3": "an Alibaba Cloud request",
    "alibaba_map": "an Alibaba Cloud request",
    "authorizer_token": "an API Gateway authorizer call",
    "authorizer_v1": "an API Gateway authorizer call",
    "authorizer_v2": "an API Gateway authorizer call",
    "bedrock": "a Bedrock agent call",
    "cognito": "",
    "config_rule": "",
    "digitalocean": "a DigitalOcean function call",
    "edge_request": "a Lambda@Edge event",
    "edge_response": "a Lambda@Edge event",
    "empty": "",
    "eventbridge": "",
    "huawei": "a Huawei Cloud request",
    "kafka": "a batch of records",
    "lattice_v1": "a VPC Lattice request",
    "lattice_v2": "a VPC Lattice request",
    "netlify": "a Netlify request",
    "no_records": "a batch of records",
    "non_proxy": "an API Gateway call without proxy integration",
    "openwhisk": "an OpenWhisk web action",
    "openwhisk_merged": "an OpenWhisk web action",
    "scaleway": "a Scaleway request",
    "serverless_wsgi_command": "",
    "sns": "a batch of records",
    "sqs": "a batch of records",
    "tencent_gateway": "a Tencent Cloud request",
    "tencent_timer": "",
    "tencent_url": "a Tencent Cloud request",
    "warm_up": "",
    "websocket_connect": "a WebSocket event",
    "websocket_message": "a WebSocket event",
    "yandex_direct": "a Yandex Cloud request",
    "yandex_gateway_1": "a Yandex Cloud request",
    "yandex_gateway_1_unnamed": "a Yandex Cloud request",
    "zappa_command": "",
    "zappa_manage": "",
}


class Telegraph:
    """A source from outside: no module, but all that detection asks of one."""

    __name__ = "stations.telegraph"

    def matches(self, event: Any) -> bool:
        return isinstance(event, dict) and "morse" in event


def refusal(event: Any, **options: Any) -> str:
    with pytest.raises(UnknownEvent) as caught:
        find_source(event, **options)
    return str(caught.value)


def test_there_are_five_sources_with_samples_of_each() -> None:
    assert sorted(SOURCE_NAMES) == ["alb", "generic", "http_api", "rest_api", "vercel"]
    assert {name.partition("/")[0] for name in names()} == {*SOURCE_NAMES, "lookalikes"}


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_each_sample_is_of_its_source(name: str) -> None:
    assert name_of(find_source(load(name))) == name.partition("/")[0]


def test_every_lookalike_has_a_row() -> None:
    assert [f"lookalikes/{name}" for name in LOOKALIKES] == names("lookalikes")


@pytest.mark.parametrize(("name", "called"), LOOKALIKES.items())
def test_a_lookalike_is_refused_by_what_it_is(name: str, called: str) -> None:
    event = load(f"lookalikes/{name}")
    message = refusal(event)
    seen = ", ".join(repr(key) for key in event) or "none at all"
    looks = f", which looks like {called}" if called else ""
    assert message.startswith(f"Got an event with the keys {seen}{looks}. ")
    assert f"Tried: {', '.join(SOURCE_NAMES)}." in message
    assert "wrap(..., source=...)" in message


@pytest.mark.parametrize("event", [None, [], [{"httpMethod": "GET"}], "GET /", b"{}", 7, True])
def test_what_is_no_dict_is_refused_by_its_type(event: Any) -> None:
    message = refusal(event)
    assert message.startswith(f"Got {type(event).__name__} for an event. ")
    assert f"Tried: {', '.join(SOURCE_NAMES)}." in message


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1.0"},
        {"version": 2.0},
        {"version": None},
        {"rawPath": ...},
        {"requestContext": None},
        {"requestContext": {"http": None}},
        {"requestContext": "http"},
    ],
)
def test_a_payload_2_event_needs_all_its_marks(change: dict[str, Any]) -> None:
    event = load("http_api/get") | change
    refusal({key: value for key, value in event.items() if value is not ...})


@pytest.mark.parametrize(
    "event",
    [
        {"body": "{}"},
        {"body": "[1]"},
        {"body": "no json"},
        {"body": '{"method": "GET"}'},
        {"body": '{"path": "/"}'},
        {"body": {"method": "GET", "path": "/"}},
        {"Action": "Invoke"},
        {"Action": "Invoke", "body": None},
        {"Action": "Stop", "body": '{"method": "GET", "path": "/"}'},
        {"trigger": "cron", "body": '{"method": "GET", "path": "/"}'},
    ],
)
def test_an_invocation_needs_an_action_or_nothing_but_a_request(event: dict[str, Any]) -> None:
    refusal(event)


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET"},
        {"path": "/"},
        {"httpMethod": None, "path": "/"},
        {"httpMethod": "GET", "path": None},
        {"httpMethod": "GET", "path": {"id": "7"}},
    ],
)
def test_a_generic_event_needs_a_method_and_a_path(event: dict[str, Any]) -> None:
    refusal(event)


def test_a_load_balancers_word_counts_above_every_other_mark() -> None:
    event = load("alb/single_value") | {"resource": "/", "rawUrl": "https://example.org/"}
    assert find_source(event) is alb
    event["requestContext"] = {"elb": {}}
    assert "a Netlify request" in refusal(event)


def test_merged_parameters_cannot_choose_a_source() -> None:
    merged = load("lookalikes/openwhisk_merged")
    parameters = {key: value for key, value in merged.items() if not key.startswith("__ow_")}
    assert find_source(parameters) is rest_api
    assert "an OpenWhisk web action" in refusal(merged)
    forged = {"requestContext": load("alb/single_value")["requestContext"]}
    assert "an OpenWhisk web action" in refusal(merged | forged)
    assert "a DigitalOcean" in refusal(load("lookalikes/digitalocean") | forged)


MARKS = ["__ow_method", "__ow_headers", "Records", "records", "methodArn", "routeArn", "raw_path"]
MARKS += ["rawUrl", "requestPath", "queryString", "pathParams", "operationId", "stageVariable"]
MARKS += ["queryParameters"]
CONTEXT_MARKS = ["connectionId", "serviceNetworkArn", "serviceArn", "serviceId", "apiGateway"]


@pytest.mark.parametrize("mark", MARKS)
def test_one_mark_is_enough_to_refuse_an_event(mark: str) -> None:
    event = load("rest_api/custom_domain")
    assert find_source(event) is rest_api
    assert "which looks like" in refusal(event | {mark: None})


@pytest.mark.parametrize("mark", CONTEXT_MARKS)
def test_one_mark_in_the_context_is_enough(mark: str) -> None:
    event = load("rest_api/custom_domain")
    event["requestContext"][mark] = None
    assert "which looks like" in refusal(event)


def test_a_source_from_outside_is_tried_first_and_named() -> None:
    mine: Any = Telegraph()
    event = load("lookalikes/sqs") | {"morse": ".-"}
    assert find_source(event, (mine,)) is mine
    assert find_source(load("alb/single_value"), (mine,)) is alb
    assert f"Tried: telegraph, {', '.join(SOURCE_NAMES)}." in refusal({}, extra=(mine,))
    assert "Tried: telegraph, " in refusal(None, extra=(mine,))


def test_a_source_is_known_by_its_name() -> None:
    assert source_named("rest_api") is rest_api
    mine: Any = Telegraph()
    assert source_named("telegraph", (mine,)) is mine
    assert source_named("alb", (mine,)) is alb
    with pytest.raises(
        ValueError, match=r"no event source 'telex'; there are .+, generic, telegraph\."
    ):
        source_named("telex", (mine,))
