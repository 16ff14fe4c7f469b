"""`unigate build --target aws`: zip and image, each kind of template, and the next commands.

tests/builds runs the tools that read these files.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.build.aws_plans import Planner, on_event
from tests.cli.projects import project, write
from unigate.cli.build.aws.terraform import to_hcl
from unigate.cli.main import main

EVENTS = """
[tool.unigate.aws.events]
sqs.orders = {batch_size = 100, batch_window = 5, max_concurrency = 3}
schedule.nightly = "cron(0 3 * * ? *)"
"""
FUNCTIONS = on_event(
    "'sqs', queue='orders'", "'dynamodb', table='orders'", "'kinesis', stream='clicks'",
    "'sns', topic='news'", "'s3', bucket='photos'", "'schedule'", "'eventbridge', source='shop'",
)  # fmt: skip
PROVIDER = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:mine"
TEMPLATES = {
    "sam": ["template.yaml"],
    "terraform": ["main.tf"],
    "cdk": ["cdk.json", "cdk_app.py", "template.yaml"],
    "serverless": ["serverless.yml"],
    "sst": ["sst.config.ts"],
    "none": [],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with project(tmp_path / "shop", monkeypatch) as made:
        yield made


@pytest.fixture
def planner(folder: Path, capsys: pytest.CaptureFixture[str]) -> Planner:
    return Planner(folder, capsys)


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_tool_gets_its_files(planner: Planner, template: str) -> None:
    made = planner.plan("", "", "--template", template)
    assert sorted(made.texts) == sorted([*TEMPLATES[template], "function.zip"])
    assert planner.plan(f"template = '{template}'").texts == made.texts


def test_the_options_are_for_aws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "main:app", "--target", "google", "--template", "sam"]) == 2
    assert "--format and --template require --target aws." in capsys.readouterr().err


# The next commands


@pytest.mark.parametrize("package", ["zip", "image"])
@pytest.mark.parametrize("trigger", ["http_api", "alb"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_commands_are_whole_and_their_variables_named(
    planner: Planner, template: str, trigger: str, package: str
) -> None:
    options = ("--template", template, "--format", package)
    plan = planner.plan(f"trigger = '{trigger}'", "", *options)
    *commands, variables = plan.notes.splitlines()
    text = "\n".join(commands)
    names = set(re.findall(r"\$\{?([A-Z_]+)", text))
    assert "AWS_REGION" in names
    assert variables.startswith("Before that, set ")
    assert set(re.findall(r"([A-Z_]+) to ", variables)) == names
    # Any shell can run them, and what the files read from the environment is set.
    subprocess.run(["sh", "-n", "-c", text], check=True, timeout=10)
    assert not re.search(r"\$\{[^}]*[^A-Z_}]", text)
    files = "\n".join(plan.texts.values())
    for read in re.findall(r"process\.env\.(\w+)|\$\{env:(\w+)|os\.environ\[\"(\w+)", files):
        assert f'{"".join(read)}="' in text
    if trigger == "alb" and template not in ("serverless", "none"):
        assert {"VPC_ID", "SUBNET_IDS"} <= names
    pushes = package == "image" and template not in ("sam", "cdk")
    assert ("docker push " in text) == pushes
    assert ("docker login --username AWS" in text) == pushes
    assert {
        "sam": "sam deploy --guided ", "terraform": "terraform -chdir=build/aws apply",
        "cdk": "npx aws-cdk@2 deploy ", "serverless": "npx serverless@3 deploy ",
        "sst": "npx sst@3 deploy ", "none": "aws lambda update-function-code ",
    }[template] in text  # fmt: skip


def test_a_published_function_is_updated_with_a_version(planner: Planner) -> None:
    notes = planner.plan("snap_start = true", "", "--template", "none").notes
    assert notes.splitlines()[0].endswith("--zip-file fileb://build/aws/function.zip --publish")


@pytest.mark.parametrize(
    ("project_name", "name"),
    [("my shop_2", "my-shop-2"), ("2nd", "app-2nd"), ("x", "app-x"), ("a" * 80, "a" * 64)],
)
def test_the_stack_has_the_name_of_the_project(
    folder: Path, capsys: pytest.CaptureFixture[str], project_name: str, name: str
) -> None:
    write(folder, {"pyproject.toml": f'[project]\nname = "{project_name}"\n'})
    assert main(["build", "main:app", "--target", "aws", "--dry-run"]) == 0
    assert f" --stack-name {name} " in capsys.readouterr().out


# Each kind of template


def test_terraform_finds_what_exists_and_subscribes_the_function(planner: Planner) -> None:
    text = planner.plan(EVENTS, FUNCTIONS, "--template", "terraform").texts["main.tf"]
    assert 'data "aws_sqs_queue" "SqsOrders" {\n  name = "orders"\n}' in text
    assert "event_source_arn        = data.aws_dynamodb_table.DynamodbOrders.stream_arn" in text
    assert text.count('function_response_types = ["ReportBatchItemFailures"]') == 3
    assert 'schedule_expression = "cron(0 3 * * ? *)"' in text
    assert 'event_pattern = jsonencode({ "source" = ["shop"] })' in text
    assert "service-role/AWSLambdaSQSQueueExecutionRole" in text
    assert "aws_lambda_alias" not in text


def test_terraform_calls_the_alias_of_a_published_function(planner: Planner) -> None:
    settings = f'capacity_provider = "{PROVIDER}"\ntrigger = ["rest_api", "alb"]'
    text = planner.plan(settings, "", "--template", "terraform").texts["main.tf"]
    assert "arn        = aws_lambda_alias.live.arn" in text
    assert "qualifier  = aws_lambda_alias.live.name" in text
    assert f'capacity_provider_arn = "{PROVIDER}"' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("${a} %{b} $c", '"$${a} %%{b} $c"'),
        ('"\n\\\b\f', '"\\"\\n\\\\\\u0008\\u000c"'),
        ({"a": [1, True]}, '{ "a" = [1, true] }'),
    ],
)
def test_values_are_literal_in_hcl(value: object, text: str) -> None:
    assert to_hcl(value) == text


def test_the_serverless_framework_gets_events_and_literal_values(planner: Planner) -> None:
    more = '[tool.unigate.environment]\nHARD = "${self:service}"\n'
    text = planner.plan(EVENTS + more, FUNCTIONS, "--template", "serverless").texts[
        "serverless.yml"
    ]
    loaded = yaml.safe_load(text)
    function = loaded["functions"]["function"]
    assert function["environment"] == {"HARD": "\\${self:service}"}
    assert [next(iter(event)) for event in function["events"]] == [
        "httpApi", "sqs", "stream", "sns", "s3", "schedule", "eventBridge"
    ]  # fmt: skip
    assert function["events"][1]["sqs"]["functionResponseType"] == "ReportBatchItemFailures"
    assert loaded["package"] == {"artifact": "function.zip"}


def test_cdk_includes_the_template_without_what_sam_makes(planner: Planner) -> None:
    made = planner.plan("", "", "--template", "cdk")
    assert "Outputs" not in made.template
    assert (
        'value=cdk.Fn.get_att("ServerlessHttpApi", "ApiEndpoint").to_string()'
        in (made.texts["cdk_app.py"])
    )
    assert json.loads(made.texts["cdk.json"]) == {"app": "python cdk_app.py"}


def test_cdk_cannot_have_a_load_balancer_of_an_alias(planner: Planner) -> None:
    settings = 'trigger = "alb"\nsnap_start = true'
    assert "CDK cannot include a load balancer of an alias" in planner.refusal(
        settings, "", "--template", "cdk"
    )


@pytest.mark.parametrize("template", ["terraform", "serverless", "sst"])
def test_what_only_sam_knows_is_refused(planner: Planner, template: str) -> None:
    policy = 'policies = [{SQSSendMessagePolicy = {QueueName = "orders"}}]'
    error = planner.refusal(policy, "", "--template", template)
    assert "only SAM and CDK know the policy template 'SQSSendMessagePolicy'" in error
    streaming = 'runtime = "unigate"\n[tool.unigate.environment]\nUNIGATE_RESPONSE_STREAMING = "on"'
    error = planner.refusal(f'trigger = "rest_api"\n{streaming}', "", "--template", template)
    assert 'A rest_api streams with template "sam" or "cdk"' in error


@pytest.mark.parametrize("template", ["sam", "cdk", "serverless"])
def test_a_table_without_a_stream_is_noted_if_the_tool_cannot_find_it(
    planner: Planner, template: str
) -> None:
    notes = planner.plan("", on_event("'dynamodb', table='a'"), "--template", template).notes
    assert "The table 'a' has no stream: write tool.unigate.aws.events.dynamodb.a.stream" in notes


# The image


def test_an_image_has_the_project_and_our_runtime(planner: Planner, folder: Path) -> None:
    made = planner.plan(['format = "image"', "tool.unigate]\nmemory = 256"][0])
    dockerfile = made.texts["Dockerfile"].splitlines()
    assert dockerfile[1] == "FROM public.ecr.aws/lambda/python:3.13"
    assert 'ENTRYPOINT ["/var/lang/bin/python3.13", "-m", "unigate.lambda_runtime"]' in dockerfile
    assert dockerfile[-1] == 'CMD ["main.app"]'
    assert any(line.endswith("-r requirements.txt") for line in dockerfile)
    assert "function.zip" not in made.texts
    assert made.properties["PackageType"] == "Image"
    assert not {"Handler", "Runtime", "CodeUri", "Environment"} & made.properties.keys()
    metadata = made.template["Resources"]["Function"]["Metadata"]
    assert metadata == {"Dockerfile": "Dockerfile", "DockerContext": ".", "DockerTag": "function"}
    assert "Dockerfile" in made.texts[".dockerignore"].splitlines()


def test_bytecode_is_made_in_the_image_unless_it_is_not_wanted(planner: Planner) -> None:
    image = 'format = "image"'
    assert "compileall" in planner.plan(image).texts["Dockerfile"]
    assert "compileall" not in planner.plan(image, "", "--no-bytecode").texts["Dockerfile"]


def test_compose_runs_the_image_beside_the_emulator(planner: Planner) -> None:
    made = planner.plan('format = "image"\narchitecture = "arm64"')
    service = yaml.safe_load(made.texts["compose.yaml"])["services"]["function"]
    assert service["platform"] == "linux/arm64"
    assert service["entrypoint"][0] == "/usr/local/bin/aws-lambda-rie"
    assert service["entrypoint"][1:] == ["/var/lang/bin/python3.13", "-m", "unigate.lambda_runtime"]
    assert service["command"] == ["main.app"]
    assert service["ports"] == ["127.0.0.1:9000:8080"]


def test_an_image_can_have_awss_runtime(planner: Planner) -> None:
    made = planner.plan('format = "image"\nruntime = "aws"')
    assert "ENTRYPOINT" not in made.texts["Dockerfile"]
    assert "entrypoint" not in yaml.safe_load(made.texts["compose.yaml"])["services"]["function"]


def test_the_dependencies_of_pyproject_are_installed_in_the_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").unlink()
    write(folder, {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["flask>=3"]\n'})
    options = ["--target", "aws", "--format", "image", "--output", "out"]
    assert main(["build", "main:app", *options]) == 0
    assert (folder / "out/requirements-lambda.txt").read_text() == "flask>=3\n"
    assert (folder / "out/main.py").is_file()
    assert "-r requirements-lambda.txt" in (folder / "out/Dockerfile").read_text()


def test_snapshots_are_not_for_images(planner: Planner) -> None:
    error = planner.refusal('format = "image"\nsnap_start = true')
    assert 'snap_start requires format = "zip"' in error
