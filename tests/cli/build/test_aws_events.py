"""`unigate build --target aws`: what sends events and requests, and the function's settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.build.aws_plans import Planner, on_event
from tests.cli.projects import project, write
from unigate.cli.main import main

ORDERS = "arn:aws:sqs:eu-west-1:123456789012:orders"
STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
PROVIDER = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:mine"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "project", monkeypatch) as made:
        yield made


@pytest.fixture
def planner(folder: Path, capsys: pytest.CaptureFixture[str]) -> Planner:
    return Planner(folder, capsys)


def arn(rest: str) -> dict[str, str]:
    service, _, name = rest.partition(":")
    place = "${AWS::Region}:${AWS::AccountId}"
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{service}:{place}:{name}"}


PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


@pytest.mark.parametrize(
    ("function", "event"),
    [
        ("'sqs', queue='orders'", ("SQS", {"Queue": arn("sqs:orders"), **PARTIAL})),
        (f"'sqs', queue={ORDERS!r}", ("SQS", {"Queue": ORDERS, **PARTIAL})),
        (
            "'kinesis', stream='clicks'",
            ("Kinesis", {
                "Stream": arn("kinesis:stream/clicks"), "StartingPosition": "LATEST", **PARTIAL
            }),
        ),
        (
            f"'dynamodb', table={STREAM!r}",
            ("DynamoDB", {"Stream": STREAM, "StartingPosition": "LATEST", **PARTIAL}),
        ),
        ("'sns', topic='news'", ("SNS", {"Topic": arn("sns:news")})),
        (
            "'s3', bucket='photos'",
            ("S3", {"Bucket": {"Ref": "S3PhotosBucket"}, "Events": ["s3:ObjectCreated:*"]}),
        ),
        (
            "'eventbridge', source='shop', detail_type='Paid'",
            ("EventBridgeRule", {
                "RuleName": "shop-Paid", "Pattern": {"source": ["shop"], "detail-type": ["Paid"]}
            }),
        ),
        (
            "'eventbridge', resource='i-1'",
            ("EventBridgeRule", {
                "RuleName": "i-1",
                "Pattern": {"resources": [{"suffix": ":i-1"}, {"suffix": "/i-1"}]},
            }),
        ),
    ],
)  # fmt: skip
def test_the_filter_of_a_function_becomes_an_event(
    planner: Planner, function: str, event: tuple[str, Any]
) -> None:
    made = planner.plan("", on_event(function))
    assert [*made.events.values()] == [{"Type": event[0], "Properties": event[1]}]
    assert made.notes.count("\n") == 2  # only the command and its variables


def test_settings_name_what_no_filter_does(planner: Planner) -> None:
    made = planner.plan(
        f"""
        [tool.unigate.aws.events]
        sqs.orders = {{batch_size = 100, batch_window = 5, max_concurrency = 3}}
        dynamodb.orders.stream = "{STREAM}"
        kinesis.clicks.starting_position = "TRIM_HORIZON"
        sns.news = true
        s3.photos = {{events = ["ObjectRemoved"], prefix = "in/", suffix = ".jpg"}}
        schedule.nightly = "cron(0 3 * * ? *)"
        eventbridge.paid = {{bus = "shop", pattern = {{source = ["shop"]}}}}
        """,
        on_event("'sqs'", "'dynamodb', table='orders'", "'*'"),
    )
    assert made.events == {
        "SqsOrders": {"Type": "SQS", "Properties": {
            "Queue": arn("sqs:orders"), "ScalingConfig": {"MaximumConcurrency": 3},
            "BatchSize": 100, "MaximumBatchingWindowInSeconds": 5, **PARTIAL,
        }},
        "KinesisClicks": {"Type": "Kinesis", "Properties": {
            "Stream": arn("kinesis:stream/clicks"), "StartingPosition": "TRIM_HORIZON", **PARTIAL,
        }},
        "DynamodbOrders": {"Type": "DynamoDB", "Properties": {
            "Stream": STREAM, "StartingPosition": "LATEST", **PARTIAL,
        }},
        "SnsNews": {"Type": "SNS", "Properties": {"Topic": arn("sns:news")}},
        "S3Photos": {"Type": "S3", "Properties": {
            "Bucket": {"Ref": "S3PhotosBucket"}, "Events": ["s3:ObjectRemoved:*"],
            "Filter": {"S3Key": {"Rules": [
                {"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"},
            ]}},
        }},
        "ScheduleNightly": {"Type": "Schedule", "Properties": {
            "Name": "nightly", "Schedule": "cron(0 3 * * ? *)",
        }},
        "EventbridgePaid": {"Type": "EventBridgeRule", "Properties": {
            "RuleName": "paid", "EventBusName": "shop", "Pattern": {"source": ["shop"]},
        }},
    }  # fmt: skip
    assert made.notes.count("\n") == 2


def test_a_setting_adds_to_the_resource_of_a_filter(planner: Planner) -> None:
    made = planner.plan("events.sqs.orders.batch_size = 1", on_event(f"'sqs', queue={ORDERS!r}"))
    wanted = {"Queue": ORDERS, "BatchSize": 1, **PARTIAL}
    assert [event["Properties"] for event in made.events.values()] == [wanted]


def test_a_batch_that_needs_a_window_gets_one(planner: Planner) -> None:
    for settings, window in (
        ("sqs.orders.batch_size = 11", 1),
        ("sqs.orders = {batch_size = 11, batch_window = 7}", 7),
        ("sqs.orders.batch_size = 10", None),
    ):
        made = planner.plan(f"[tool.unigate.aws.events]\n{settings}", on_event("'sqs'"))
        properties = made.events["SqsOrders"]["Properties"]
        assert properties.get("MaximumBatchingWindowInSeconds") == window, settings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            "sqs.orders.batch_size = 10001",
            "batch_size must be an integer from 1 to 10000, got 10001.",
        ),
        (
            "sqs.orders.batch_window = 301",
            "batch_window must be an integer from 1 to 300, got 301.",
        ),
        (
            "sqs.orders.max_concurrency = 1",
            "max_concurrency must be an integer from 2 to 1000, got 1.",
        ),
        ('sqs."orders.fifo".batch_size = 11', "a FIFO queue has at most 10 messages in a batch"),
        ('sqs."orders.fifo".batch_window = 1', "a FIFO queue has at most 10 messages in a batch"),
        (
            "kinesis.clicks.batch_size = 10001",
            "batch_size must be an integer from 1 to 10000, got 10001.",
        ),
    ],
)
def test_batches_that_lambda_refuses_are_errors(
    planner: Planner, settings: str, problem: str
) -> None:
    functions = on_event("'sqs'", "'kinesis'")
    assert problem in planner.refusal(f"[tool.unigate.aws.events]\n{settings}", functions)


def test_a_source_that_is_connected_elsewhere_is_left_out(planner: Planner) -> None:
    functions = on_event("'sqs', queue='orders'", "'schedule', rule='nightly'", "'eventbridge'")
    made = planner.plan(
        "events = {sqs.orders = false, schedule.nightly = false, eventbridge.x = false}", functions
    )
    assert made.events == {}
    assert made.notes.count("\n") == 2


@pytest.mark.parametrize(
    ("function", "note"),
    [
        ("'sqs'", "main.function_0 does not say which queue: name it in on_event('sqs', ...) or "),
        ("'schedule'", "main.function_0 does not say which rule: "),
        ("'eventbridge'", "main.function_0 does not say which events: "),
        ("'ses'", "main.function_0 is for events of ses: connect them to the function."),
        ("'schedule', rule='daily'", "The rule 'daily' has no schedule: write tool.unigate.aws."),
        ("'dynamodb', table='orders'", "The table 'orders' has no stream: write tool.unigate.aws."),
    ],
)
def test_an_event_that_the_template_does_not_bring_is_noted(
    planner: Planner, function: str, note: str
) -> None:
    made = planner.plan("", on_event(function))
    assert made.events == {}
    assert made.notes.splitlines()[2].startswith(note)


@pytest.mark.parametrize("function", ["'*'", "'warmup'", "'manage'"])
def test_a_function_without_a_source_of_its_own_is_not_noted(
    planner: Planner, function: str
) -> None:
    assert planner.plan("", on_event(function)).notes.count("\n") == 2


@pytest.mark.parametrize("functions", [[], ["'sns'"], ["'sqs', queue='refunds'"]])
def test_events_without_a_function_are_refused(planner: Planner, functions: list[str]) -> None:
    error = planner.refusal("events.sqs.orders = true", on_event(*functions))
    assert "tool.unigate.aws.events.sqs.orders has no function, and its events would fail" in error


def test_a_rule_without_a_pattern_is_refused(planner: Planner) -> None:
    error = planner.refusal("events.eventbridge.x.bus = 'shop'", on_event("'eventbridge'"))
    assert "tool.unigate.aws.events.eventbridge.x must be a table with pattern, got " in error


def test_an_event_that_s3_does_not_have_is_refused(planner: Planner) -> None:
    error = planner.refusal("", on_event("'s3', bucket='photos', event='Created'"))
    assert "The event that main.function_0 is for must be an event of S3, such as" in error
    assert "got 'Created'" in error


def test_a_bucket_is_named_once_with_events_that_do_not_overlap(planner: Planner) -> None:
    made = planner.plan("", on_event(
        "'s3', bucket='photos', event='ObjectCreated:Put'",
        "'s3', bucket='photos', event='ObjectRemoved:Delete'",
        "'s3', bucket='photos', event='s3:ObjectCreated:*'",
    ))  # fmt: skip
    [event] = made.events.values()
    assert event["Properties"]["Events"] == ["s3:ObjectRemoved:Delete", "s3:ObjectCreated:*"]
    assert made.template["Resources"]["S3PhotosBucket"] == {
        "Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
        "Properties": {"BucketName": "photos"},
    }  # fmt: skip


def test_resources_with_similar_names_have_an_event_each(planner: Planner) -> None:
    made = planner.plan("", on_event("'sqs', queue='a-b'", "'sqs', queue='a_b'"))
    assert {name: event["Properties"]["Queue"] for name, event in made.events.items()} == {
        "SqsAB": arn("sqs:a-b"),
        "SqsAB2": arn("sqs:a_b"),
    }


# Requests


def test_a_rest_api_gets_every_path_and_binary_bodies(planner: Planner) -> None:
    made = planner.plan('trigger = "rest_api"')
    assert made.properties["Events"] == {
        "Root": {"Type": "Api", "Properties": {"Path": "/", "Method": "ANY"}},
        "EveryPath": {"Type": "Api", "Properties": {"Path": "/{proxy+}", "Method": "ANY"}},
    }
    assert made.template["Globals"] == {"Api": {"BinaryMediaTypes": ["*~1*"]}}


def test_a_rest_api_streams_if_the_runtime_does(planner: Planner) -> None:
    streaming = 'runtime = "unigate"\n[tool.unigate.environment]\nUNIGATE_RESPONSE_STREAMING = "on"'
    made = planner.plan(f'trigger = "rest_api"\n{streaming}')
    modes = [event["Properties"]["ResponseTransferMode"] for event in made.events.values()]
    assert modes == ["STREAM", "STREAM"]


def test_several_triggers_have_an_address_each(planner: Planner) -> None:
    made = planner.plan('trigger = ["http_api", "rest_api", "function_url", "alb"]')
    assert [*made.template["Outputs"]] == [
        "HttpApiUrl", "RestApiUrl", "FunctionUrl", "AlbUrl", "FunctionName"
    ]  # fmt: skip
    assert set(made.properties["Events"]) == {"EveryRequest", "Root", "EveryPath"}


@pytest.mark.parametrize(
    ("trigger", "timeout", "noted"),
    [
        ("http_api", 30, ""),
        ("http_api", 31, "http_api answers a request with an error after 30 seconds: function_"),
        ("rest_api", 29, ""),
        ("rest_api", 30, "rest_api answers a request with an error after 29 seconds, unless the a"),
        ("function_url", 900, ""),
        ("alb", 900, ""),
    ],
)
def test_a_timeout_that_api_gateway_does_not_wait_for_is_noted(
    planner: Planner, trigger: str, timeout: int, noted: str
) -> None:
    made = planner.plan(f"trigger = '{trigger}'", limits=f"timeout = {timeout}")
    notes = [line for line in made.notes.splitlines() if "tool.unigate.timeout is" in line]
    assert len(notes) == bool(noted)
    assert all(noted in note for note in notes)


@pytest.mark.parametrize(
    ("trigger", "noted"), [("'alb'", True), ("'function_url'", True), ("[]", False)]
)
def test_managed_instances_have_more_memory_and_time_but_not_for_requests(
    planner: Planner, trigger: str, noted: bool
) -> None:
    settings = f"trigger = {trigger}\ncapacity_provider = '{PROVIDER}'"
    functions = on_event("'sqs', queue='orders'")
    made = planner.plan(settings, functions, limits="memory = 32768\ntimeout = 5400")
    assert (made.properties["MemorySize"], made.properties["Timeout"]) == (32768, 5400)
    assert ("answers a request with an error after 900 seconds." in made.notes) == noted


def test_a_function_for_events_alone_has_no_address(planner: Planner) -> None:
    made = planner.plan("trigger = []", on_event("'sqs', queue='orders'"))
    assert [*made.properties["Events"]] == ["SqsOrders"]
    assert [*made.template["Outputs"]] == ["FunctionName"]


# The function


def test_policies_are_names_templates_and_statements(planner: Planner) -> None:
    made = planner.plan("""
    policies = [
        "AmazonS3ReadOnlyAccess",
        {SQSSendMessagePolicy = {QueueName = "orders"}},
        {Effect = "Allow", Action = "s3:GetObject", Resource = "*"},
    ]
    """)
    assert made.properties["Policies"] == [
        "AmazonS3ReadOnlyAccess",
        {"SQSSendMessagePolicy": {"QueueName": "orders"}},
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
        },
    ]


@pytest.mark.parametrize(
    ("settings", "properties"),
    [
        ("snap_start = true", {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
        (
            "provisioned_concurrency = 2",
            {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2}},
        ),
        (f"capacity_provider = '{PROVIDER}'", {"CapacityProviderConfig": {"Arn": PROVIDER}}),
        (
            f"capacity_provider = {{arn = '{PROVIDER}', max_concurrency = 8, memory_per_vcpu = 4}}",
            {"CapacityProviderConfig": {
                "Arn": PROVIDER, "PerExecutionEnvironmentMaxConcurrency": 8,
                "ExecutionEnvironmentMemoryGiBPerVCpu": 4,
            }},
        ),
    ],
)  # fmt: skip
def test_versions_are_published_for_what_needs_them(
    planner: Planner, settings: str, properties: dict[str, Any]
) -> None:
    made = planner.plan(f'trigger = "alb"\n{settings}')
    assert properties.items() <= made.properties.items()
    assert made.properties["AutoPublishAlias"] == "live"
    resources = made.template["Resources"]
    alias = {"Ref": "Function.Alias"}
    assert resources["Target"]["Properties"]["Targets"] == [{"Id": alias}]
    assert resources["Permission"]["Properties"]["FunctionName"] == alias
    assert made.properties["MemorySize"] == (2048 if "capacity" in settings else 512)


def test_a_vpc_is_in_the_template(planner: Planner) -> None:
    made = planner.plan('vpc = {subnets = ["subnet-1"], security_groups = ["sg-1"]}')
    vpc = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert made.properties["VpcConfig"] == vpc


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ("snap_start = true\nprovisioned_concurrency = 1", "snap_start excludes provisioned_"),
        (f"snap_start = true\ncapacity_provider = '{PROVIDER}'", "snap_start excludes prov"),
        ("snap_start = true\n[tool.unigate]\npython = '3.11'", "snap_start requires Python 3.12"),
        (f"capacity_provider = '{PROVIDER}'\nprovisioned_concurrency = 1", "capacity_provider exc"),
        (
            f"capacity_provider = '{PROVIDER}'\n[tool.unigate]\nmemory = 512",
            "from 2048 to 32768 MiB",
        ),
        (f"capacity_provider = '{PROVIDER}'\n[tool.unigate]\ntimeout = 5401", "at most 5400 sec"),
        (f"capacity_provider = '{PROVIDER}'\n[tool.unigate]\npython = '3.12'", "Python 3.13 or la"),
        (
            "capacity_provider = {max_concurrency = 1}",
            "capacity_provider must be a table with arn, got",
        ),
        ("vpc = {subnets = ['subnet-1']}", "vpc must be a table with security_groups, got"),
    ],
)
def test_settings_that_lambda_does_not_have_together_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], settings: str, error: str
) -> None:
    aws, _, more = settings.partition("[tool.unigate]\n")
    python = "" if "python" in more else 'python = "3.13"\n'
    text = f"[tool.unigate]\n{python}{more}\n[tool.unigate.aws]\n{aws}"
    write(folder, {"pyproject.toml": text})
    assert main(["build", "main:app", "--target", "aws", "--dry-run"]) == 2
    assert error in capsys.readouterr().err
