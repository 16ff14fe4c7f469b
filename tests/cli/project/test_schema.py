"""The JSON schema of [tool.unigate], against the settings that commands read."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from unigate.cli.project import schema
from unigate.cli.project.settings import read_settings

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = json.loads(Path(schema.__file__).with_name("schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SHIPPED)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

PROVIDER = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:mine"
STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/a/stream/2026-01-01T00:00:00.000"
VPC = {"subnets": ["subnet-1a"], "security_groups": ["sg-1"]}
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def aws(**settings: Any) -> dict[str, Any]:
    return {"aws": settings}


def events(kind: str, value: Any) -> dict[str, Any]:
    return {"aws": {"events": {kind: {"a": value}}}}


def statement(**values: Any) -> dict[str, Any]:
    """Return settings with a statement; None takes a key out."""
    made = {**STATEMENT, **values}
    return aws(policies=[{key: value for key, value in made.items() if value is not None}])


VALID = [
    {},
    {"app": "main:app", "memory": 1, "exclude": [], "environment": {"A_1": ""}},
    {"memory": 512.0, "python": "3.12.1", "container": {"health": "/health?a=b"}},
    {"functions": {"/a/{b}": {"timeout": 3}}, "aws": {"trigger": "alb"}},
    aws(trigger=["alb", "rest_api"], policies=["A", {"BPolicy": {}}], snap_start=True),
    {"aws": {"events": {"sqs": {"a": True, "b": {"batch_size": 1}}, "schedule": {"c": False}}}},
    aws(capacity_provider={"arn": PROVIDER}, vpc=VPC),
    aws(capacity_provider=PROVIDER),
    events("schedule", "rate(5 minutes)"),
    events("s3", {"events": ["ObjectCreated", "s3:ObjectRemoved:*", "ObjectAcl:Put"]}),
    events("dynamodb", {"stream": STREAM}),
    events(
        "eventbridge", {"pattern": {"source": ["a"], "detail": {"b": {"c": [{"prefix": "d"}]}}}}
    ),
    events("eventbridge", False),
    statement(Sid="Read1", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
    statement(Action=None, NotAction=["s3:*", "*"], Resource=None, NotResource=["arn:aws:s3:::a"]),
    statement(Resource=[{"Fn::Sub": "arn:${AWS::Partition}:s3:::a"}]),
    aws(policies=["service-role/AWSLambdaRole", "arn:aws:iam::123456789012:policy/mine"]),
    aws(policies=[{"Ref": "Mine"}, {"KMSEncryptPolicy_v2": {"KeyId": "a"}}]),
]
INVALID = [
    {"memry": 1},
    {"memory": "1"},
    {"memory": 0},
    {"memory": 512.5},
    {"memory": True},
    {"app": "main.app"},
    {"python": "python3.12"},
    {"python": 3.12},
    {"exclude": "docs"},
    {"exclude": [1]},
    {"container": {"health": "health"}},
    {"vercel": {"framework": "nextjs"}},
    {"environment": {"A-B": ""}},
    {"environment": {"A": 1}},
    {"environment": {"A": "\0"}},
    {"functions": {"/a": {"app": "main:app"}}},
    {"functions": []},
    aws(trigger="lattice"),
    aws(memory=1),
    aws(trigger=["lattice"]),
    aws(policies=[1]),
    aws(policies=[{"S3ReadPolicyy": {}}]),
    aws(policies=[{"S3ReadPolicy": {}, "SQSPollerPolicy": {}}]),
    aws(policies=[{}]),
    statement(Effect=None),
    statement(Effect="allow"),
    statement(Action=None, Actions="s3:GetObject"),
    statement(Action=None),
    statement(NotAction="s3:GetObject"),
    statement(Action="GetObject"),
    statement(Action=[]),
    statement(Resource=None),
    statement(Resource="orders"),
    statement(Principal="*"),
    statement(Condition={"StringEquals": "a"}),
    aws(capacity_provider="myprovider"),
    aws(capacity_provider={"max_concurrency": 1}),
    aws(capacity_provider={"arn": PROVIDER, "max_concurrency": 1601}),
    aws(capacity_provider={"arn": PROVIDER, "memory_per_vcpu": 16}),
    aws(capacity_provider={"arn": PROVIDER, "memory_per_vcpu": 1}),
    aws(vpc={**VPC, "subnets": ["mysubnet"]}),
    aws(vpc={**VPC, "security_groups": ["default"]}),
    aws(vpc={**VPC, "subnets": []}),
    aws(vpc={"subnets": ["subnet-1"]}),
    events("sqs", {"batch": 1}),
    events("sqs", {"batch_size": 10_001}),
    events("sqs", {"batch_window": 301}),
    events("sqs", {"max_concurrency": 1}),
    events("sqs", {"max_concurrency": 1001}),
    events("kinesis", {"max_concurrency": 2}),
    events("schedule", 1),
    events("schedule", 0),
    events("schedule", True),
    events("schedule", "every day"),
    events("s3", {"events": ["Created"]}),
    events("dynamodb", {"stream": "orders"}),
    events("eventbridge", True),
    events("eventbridge", {"bus": "a"}),
    events("eventbridge", {"pattern": {"source": "shop"}}),
    events("eventbridge", {"pattern": {"source": []}}),
    events("eventbridge", {"pattern": {"detail": {"a": {"b": "c"}}}}),
]


def test_the_schema_and_the_page_are_those_of_the_settings() -> None:
    script = runpy.run_path(str(ROOT / "docs/reference/settings.py"))
    assert script["SCHEMA"].read_text("utf-8") == script["schema_text"](), "run: make settings"
    assert script["PAGE"].read_text("utf-8") == script["page_text"](), "run: make settings"


def test_the_schema_is_one_of_draft_7() -> None:
    jsonschema.Draft7Validator.check_schema(SHIPPED)


@pytest.mark.parametrize("table", VALID + INVALID, ids=json.dumps)
def test_the_schema_accepts_what_the_commands_accept(table: dict[str, Any]) -> None:
    try:
        read_settings({"tool": {"unigate": table}})
        accepted = True
    except click.ClickException:
        accepted = False
    assert accepted == any(table is valid for valid in VALID)
    assert VALIDATOR.is_valid(table) == accepted


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (statement(Effect=None), "policies[0] must be a table with Effect, got {'Action': 's3:G"),
        (statement(Effect="allow"), "Effect must be one of 'Allow', 'Deny', got 'a"),
        (statement(Action=None, Actions="s3:*"), "policies[0]] has no key 'Actions': did you mean"),
        (statement(Resource=None), "policies[0] must be a table with Resource or NotResource, got"),
        (statement(NotAction="s3:*"), "must be a table with Action or NotAction, not both, got"),
        (statement(Resource="orders"), """Resource must be an ARN or "*", got 'orders'."""),
        (aws(policies=[{"S3ReadPolicyy": {}}]), "policies[0] must be the name or ARN of a m"),
        (aws(capacity_provider="mine"), "must be the ARN of a capacity provider, arn:aws:lambda:R"),
        (aws(capacity_provider={}), "capacity_provider must be a table with arn, got {}."),
        (aws(vpc={**VPC, "subnets": ["a"]}), "subnets[0] must be the identifier of a subnet"),
        (events("sqs", {"batch_size": 0}), "sqs.a.batch_size must be an integer from 1 to 10000"),
        (events("sqs", {"batch": 1}), "sqs.a] has no key 'batch': did you mean 'batch_size'?"),
        (events("schedule", "every day"), 'schedule.a must be an expression of EventBridge: "ra'),
        (events("s3", {"events": ["Created"]}), "events[0] must be an event of S3, such as"),
        (events("eventbridge", {"pattern": {"source": "shop"}}),
         """pattern.source must be a list of what matches, or a table of such lists, got 'shop'. """
         'Write ["shop"].'),
        ({"environment": {"A-B": ""}}, "A name in tool.unigate.environment must be of only the "),
        ({"environment": {"A": 1}}, 'environment.A must be a string, got 1. Write "1".'),
        ({"app": "main.app"}, 'app must be of the form "package.module:attribute", such as'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_it_must_be(table: dict[str, Any], message: str) -> None:
    with pytest.raises(click.ClickException) as raised:
        read_settings({"tool": {"unigate": table}})
    assert message in raised.value.message


def test_a_float_without_a_fraction_is_an_integer() -> None:
    read = read_settings({"tool": {"unigate": {"memory": 512.0}}})
    assert repr(read) == "{'memory': 512}"


def _described(table: Any, place: str) -> Iterator[tuple[str, bool]]:
    for key, value in table.get("properties", {}).items():
        inner = bool(value.get("properties"))
        yield f"{place}.{key}", inner or value.get("description", "").endswith(".")
        yield from _described(value, f"{place}.{key}")


def test_each_setting_has_a_description() -> None:
    assert [
        place for place, described in _described(SHIPPED, "tool.unigate") if not described
    ] == []


def _read_names() -> Iterator[str]:
    """Yield the names under which modules of the command line read the settings."""
    for file in (ROOT / "unigate/cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case (
                    ast.Call(
                        func=ast.Attribute(value=ast.Attribute(attr="settings"), attr="get"),
                        args=[ast.Constant(value=str(name)), *_],
                    )
                    | ast.Subscript(
                        value=ast.Attribute(attr="settings"), slice=ast.Constant(value=str(name))
                    )
                    | ast.Compare(
                        left=ast.Constant(value=str(name)),
                        comparators=[ast.Attribute(attr="settings")],
                    )
                ):
                    yield name


def test_the_schema_has_each_setting_that_a_command_reads() -> None:
    names = set(_read_names())
    assert {"app", "environment", "functions", "aws", "vercel"} <= names
    assert names <= SHIPPED["properties"].keys()


def _keys(table: Any) -> Iterator[str]:
    for key, value in table.get("properties", {}).items():
        yield key
        yield from _keys(value)


def test_a_command_reads_each_setting_of_the_schema() -> None:
    sources = [
        file.read_text("utf-8")
        for file in (ROOT / "unigate/cli").rglob("*.py")
        if file.name not in ("settings.py", "schema.py")
    ]
    unread = [key for key in _keys(SHIPPED) if not any(f'"{key}"' in source for source in sources)]
    assert unread == []


def _examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for page in PAGES:
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            if "[tool.unigate" in block:
                yield page.name, tomllib.loads(block)["tool"]["unigate"]


def test_the_examples_of_the_documentation_are_valid() -> None:
    examples = list(_examples())
    assert "settings.md" in {name for name, _ in examples}
    for name, table in examples:
        problems = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(table)]
        assert problems == [], name
        read_settings({"tool": {"unigate": table}})


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [("memory = 1", 0, "Valid file"), ("memory = 'x'", 1, "`tool.unigate.memory` must be integer")],
)
def test_validate_pyproject_finds_the_schema(
    tmp_path: Path, text: str, code: int, message: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.unigate]\n{text}\n")
    command = [Path(sys.executable).with_name("validate-pyproject"), "pyproject.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
