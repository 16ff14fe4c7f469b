"""The tools for which `unigate build --target aws` writes files read them; an image's runtime runs.

Terraform's provider and Docker's daemon cannot be installed from packages. So main.tf is parsed,
and the steps of the Dockerfile are carried out in a folder. Pulumi's provider, by whose types SST's
file is checked, is made from Terraform's, and both files have the same resources and arguments.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.processes import Server
from unigate.events import http_api

from .conftest import MIXED, Build, run
from .test_aws import PYTHON, TRANSLATE, Function, request

STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
PROVIDER = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:mine"
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/50dc6c/f2f7dc"
NODE = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}
EVENTS = f"""
[tool.unigate.aws.events]
sqs.orders = {{batch_size = 100, batch_window = 5, max_concurrency = 3}}
dynamodb.orders.stream = "{STREAM}"
kinesis.clicks.starting_position = "TRIM_HORIZON"
sns.news = true
s3.photos = {{prefix = "in/", suffix = ".jpg"}}
schedule.nightly = "cron(0 3 * * ? *)"
eventbridge.paid = {{bus = "shop", pattern = {{source = ["shop"]}}}}
[tool.unigate.environment]
UNIGATE_RESPONSE_STREAMING = "off"
HARD = "a ${{b}} %{{c}} $(d) \\" ' \\\\ \\n ${{self:service}}"
"""
STREAMING = 'trigger = ["http_api", "rest_api", "function_url", "alb"]'
BUFFERED = 'trigger = ["http_api", "rest_api", "alb"]'
POLICIES = """
policies = ["AmazonS3ReadOnlyAccess", {Effect = "Allow", Action = "s3:GetObject", Resource = "*"}]
vpc = {subnets = ["subnet-0123456789abcdef0"], security_groups = ["sg-0123456789abcdef0"]}
"""
SETTINGS = {
    "every trigger, event and policy": STREAMING + POLICIES + EVENTS,
    "managed instances": (
        f'{BUFFERED}\ncapacity_provider = {{arn = "{PROVIDER}", max_concurrency = 8}}'
    ),
    "snapshots": f"{BUFFERED}\nsnap_start = true",
    "kept environments": 'trigger = "function_url"\nprovisioned_concurrency = 2',
    "events alone": f"trigger = []\n{EVENTS}",
}


def project(settings: str, python: str = "3.13") -> dict[str, str]:
    text = f'[project]\nname = "shop"\n[tool.unigate]\npython = "{python}"\n[tool.unigate.aws]\n'
    handler = "\n\n@app.on_event('*')\ndef every_event(event, context): ...\n"
    return {"pyproject.toml": text + settings, "main.py": MIXED + handler}


@pytest.mark.parametrize("settings", [*SETTINGS, STREAMING])
def test_aws_accepts_the_template(sam: Path, build: Build, settings: str) -> None:
    files = project(SETTINGS.get(settings, settings))
    out = build("main:app", "--target", "aws", "--no-bytecode", files=files)
    run([str(sam / "cfn-lint"), "--non-zero-exit-code", "informational", "template.yaml"], out)
    translate = [str(sam / "python"), "-c", TRANSLATE, "template.yaml"]
    run(translate, out, AWS_DEFAULT_REGION="eu-west-1")


@pytest.mark.parametrize(
    "settings", ["every trigger, event and policy", "kept environments", "events alone"]
)
def test_cdk_synthesizes_the_application(cdk: Path, sam: Path, build: Build, settings: str) -> None:
    files = project(SETTINGS[settings])
    out = build("main:app", "--target", "aws", "--no-bytecode", "--template", "cdk", files=files)
    place = {"CDK_DEFAULT_ACCOUNT": "123456789012", "CDK_DEFAULT_REGION": "eu-west-1"}
    run([str(cdk), "cdk_app.py"], out, CDK_OUTDIR=str(out / "cdk.out"), **place, **NODE)
    made = json.loads((out / "cdk.out/shop.template.json").read_text())
    function = made["Resources"]["Function"]["Properties"]
    template = yaml.safe_load((out / "template.yaml").read_text())
    written = template["Resources"]["Function"]["Properties"]
    assert function.pop("CodeUri").startswith("s3://cdk-")
    del written["CodeUri"]
    if concurrency := written.get("ProvisionedConcurrencyConfig"):
        # CDK's type for it is text, which CloudFormation takes as well.
        written["ProvisionedConcurrencyConfig"] = {k: f"{v}" for k, v in concurrency.items()}
    assert function == written


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_serverless_framework_packages_the_function(
    deployers: Path, build: Build, settings: str
) -> None:
    files = project(SETTINGS[settings])
    out = build(
        "main:app", "--target", "aws", "--no-bytecode", "--template", "serverless", files=files
    )
    program = deployers / "node_modules/serverless/bin/serverless.js"
    printed = run(
        ["node", str(program), "package", "--region", "eu-west-1"], out, ALB_LISTENER_ARN=LISTENER,
        AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", SLS_TELEMETRY_DISABLED="1",
        SLS_NOTIFICATIONS_MODE="off",
    )  # fmt: skip
    assert re.findall(r"^  at '(.*?)'", printed, re.MULTILINE) == ["provider.runtime"]  # too new
    made = json.loads((out / ".serverless/cloudformation-template-update-stack.json").read_text())
    properties = made["Resources"]["FunctionLambdaFunction"]["Properties"]
    assert properties["Runtime"] == "python3.13"
    if "HARD" in SETTINGS[settings]:
        hard = properties["Environment"]["Variables"]["HARD"]
        assert hard == "a ${b} %{c} $(d) \" ' \\ \n ${self:service}"
    if settings == "managed instances":
        assert PROVIDER in json.dumps(properties["CapacityProviderConfig"])


GLOBALS = """
import * as awsTypes from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
declare global {
  export import aws = awsTypes;
  const $util: typeof pulumi;
  const $interpolate: typeof pulumi.interpolate;
  const $cli: { paths: { root: string } };
  function $config(config: {
    app(input?: { stage: string }): {
      name: string;
      home: "aws";
      removal: "retain" | "remove";
      providers: Record<string, { version: string }>;
    };
    run(): Promise<Record<string, unknown>>;
  }): unknown;
}
"""


@pytest.mark.parametrize("settings", SETTINGS)
def test_typescript_accepts_the_configuration_of_sst(
    deployers: Path, build: Build, settings: str
) -> None:
    files = project(SETTINGS[settings])
    out = build("main:app", "--target", "aws", "--no-bytecode", "--template", "sst", files=files)
    types = out / ".sst/platform/config.d.ts"
    types.parent.mkdir(parents=True)
    types.write_text(GLOBALS)
    (out / "node_modules").symlink_to(deployers / "node_modules")
    compiler = deployers / "node_modules/typescript/bin/tsc"
    module = ["--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022"]
    options = ["--noEmit", "--strict", "--skipLibCheck", *module]
    run(["node", str(compiler), *options, "sst.config.ts"], out)


PARSE = """
import hcl2, json, sys
print(json.dumps(hcl2.load(open(sys.argv[1]))))
"""


@pytest.mark.parametrize("settings", SETTINGS)
def test_terraform_parses_its_file(cdk: Path, build: Build, settings: str) -> None:
    files = project(SETTINGS[settings])
    out = build(
        "main:app", "--target", "aws", "--no-bytecode", "--template", "terraform", files=files
    )
    loaded: dict[str, Any] = json.loads(run([str(cdk), "-c", PARSE, "main.tf"], out))
    kinds = {kind.strip('"') for block in loaded["resource"] for kind in block}
    assert {"aws_lambda_function", "aws_iam_role"} <= kinds
    if terraform := shutil.which("terraform"):
        run([terraform, "fmt", "-check", "-diff", "main.tf"], out, TF_CLI_CONFIG_FILE="/dev/null")


DOCKERFILE = """
import json, sys
from dockerfile_parse import DockerfileParser
parsed = DockerfileParser(path=sys.argv[1])
print(json.dumps([[one["instruction"], one["value"]] for one in parsed.structure]))
"""


def test_the_image_runs_our_runtime(cdk: Path, build: Build, wheels: Path) -> None:
    files = project("", PYTHON)
    out = build("main:app", "--target", "aws", "--format", "image", files=files)
    parsed = json.loads(run([str(cdk), "-c", DOCKERFILE, "Dockerfile"], out))
    steps = [(name, value) for name, value in parsed if name != "COMMENT"]
    assert [name for name, _ in steps] == [
        "FROM", "COPY", "RUN", "RUN", "RUN", "ENV", "ENTRYPOINT", "CMD"
    ]  # fmt: skip
    for name, value in steps:
        if name == "RUN":
            command = value.replace("python -m pip", f"{sys.executable} -m pip")
            command = command.replace("python -m compileall", f"{sys.executable} -m compileall")
            variables = {"LAMBDA_TASK_ROOT": str(out), "PIP_FIND_LINKS": str(wheels)}
            run(["sh", "-c", command], out, **variables)
    entrypoint, command = (json.loads(value) for _, value in steps[-2:])
    assert entrypoint[0] == f"/var/lang/bin/python{PYTHON}"
    function = Function(out, [sys.executable, *entrypoint[1:], *command], PYTHONPATH=str(out))
    with function.server as server:
        assert isinstance(server, Server)
        server.wait_until_it_listens()
        reply = function.invoke(http_api.make_event(request("/users/ada"))).json()
        assert http_api.from_reply(reply).body.startswith(b"user ada")
        reply = function.invoke(http_api.make_event(request("/where"))).json()
        assert http_api.from_reply(reply).body.decode().split()[0].startswith(str(out))
