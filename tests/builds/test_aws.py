"""AWS's tools accept the template; AWS's runtime client and ours run the zip."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.servers.client import ask
from tests.servers.fetch_rie import emulator
from tests.servers.processes import Server, free_port
from unigate import Headers, Request
from unigate.events import alb, http_api

from .conftest import Build, run

PYTHON = f"3.{sys.version_info.minor}"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
TRANSLATE = """
import json, sys
import samtranslator.translator.transform as transform
from samtranslator.yaml_helper import yaml_parse

class Policies:
    def load(self):
        return {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/any"}

template = yaml_parse(open(sys.argv[1]).read())
# Like `sam deploy`, which uploads the file and replaces its path by the address.
template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://bucket/function.zip"
made = transform.transform(template, {}, Policies())
print(json.dumps({name: one["Type"] for name, one in made["Resources"].items()}))
"""


def settings(trigger: str, more: str = "") -> dict[str, str]:
    text = f'[tool.unigate]\npython = "{PYTHON}"\nenvironment = {{AB = "c"}}\n{more}'
    text += f'[tool.unigate.aws]\ntrigger = "{trigger}"\n'
    return {"pyproject.toml": text}


@pytest.mark.parametrize(
    ("trigger", "made"),
    [
        ("http_api", "AWS::ApiGatewayV2::Api"),
        ("function_url", "AWS::Lambda::Url"),
        ("alb", "AWS::ElasticLoadBalancingV2::Listener"),
    ],
)
def test_aws_accepts_the_template(sam: Path, build: Build, trigger: str, made: str) -> None:
    out = build("main:app", "--target", "aws", files=settings(trigger, "memory = 256\n"))
    run([str(sam / "cfn-lint"), "--non-zero-exit-code", "informational", "template.yaml"], out)
    translate = [str(sam / "python"), "-c", TRANSLATE, "template.yaml"]
    translated = run(translate, out, AWS_DEFAULT_REGION="eu-west-1")
    resources = json.loads(translated.splitlines()[-1])
    assert made in resources.values()
    permissions = list(resources.values()).count("AWS::Lambda::Permission")
    # A function URL needs one permission for the URL and one for the function.
    assert permissions == (2 if trigger == "function_url" else 1)
    run([str(sam / "sam"), "build"], out, SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION="eu-west-1")
    assert (out / ".aws-sam/build/template.yaml").is_file()


def unpacked(out: Path) -> Path:
    task = out / "task"
    with zipfile.ZipFile(out / "function.zip") as archive:
        for info in archive.infolist():
            Path(archive.extract(info, task)).chmod(info.external_attr >> 16 & 0o777)
    return task


class Function:
    """The zip in AWS's emulator, alone on Python's path."""

    def __init__(self, task: Path, command: list[str], **variables: str) -> None:
        arguments = [
            str(emulator()),
            "--runtime-interface-emulator-address=127.0.0.1:{port}",
            f"--runtime-api-address=127.0.0.1:{free_port()}",
            *command,
        ]
        environment = {
            "PYTHONPATH": "",
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": "main.app",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
            **variables,
        }
        self.server = Server(arguments, task.parent / "log", env=environment, cwd=task)

    def invoke(self, event: dict[str, Any]) -> Any:
        return ask(self.server.port, INVOCATIONS, "POST", body=json.dumps(event).encode())


def request(path: str) -> Request:
    return Request("GET", path.encode(), headers=Headers([("host", "example.org")]))


@pytest.mark.parametrize("source", [http_api, alb])
def test_the_zip_runs_under_awss_runtime_client(build: Build, source: Any) -> None:
    task = unpacked(build("main:app", "--target", "aws", files=settings("http_api")))
    client = [sys.executable, "-m", "awslambdaric", "main.app"]
    function = Function(task, client)
    with function.server as server:
        server.wait_until_it_listens()
        for path, text in (("/users/ada", "user ada"), ("/v2/notes/7", '{"note":7}')):
            reply = function.invoke(source.make_event(request(path))).json()
            assert source.from_reply(reply).body.decode().startswith(text)
        reply = function.invoke(source.make_event(request("/where"))).json()
        files = source.from_reply(reply).body.decode().split()
        assert files == [str(task / "flask/__init__.py"), str(task / "unigate/__init__.py")]


def test_the_zip_streams_under_our_runtime(build: Build) -> None:
    task = unpacked(build("main:app", "--target", "aws", files=settings("function_url")))
    # Lambda starts the wrapper with the command of the runtime as its arguments.
    wrapper = [str(task / "unigate-runtime"), sys.executable, "-m", "awslambdaric", "main.app"]
    function = Function(task, wrapper, UNIGATE_RESPONSE_STREAMING="on")
    with function.server as server:
        server.wait_until_it_listens()
        asked = request("/users/ada")
        asked.source = "function_url"
        answer = function.invoke(http_api.make_event(asked))
        head, _, body = answer.body.partition(b"\0" * 8)
        assert json.loads(head)["statusCode"] == 200
        assert body == b"user ada, query "


def test_the_build_has_wheels_for_another_machine(build: Build) -> None:
    needs = "unigate\npydantic-core\n"
    text = '[tool.unigate]\npython = "3.13"\n[tool.unigate.aws]\narchitecture = "arm64"\n'
    files = {"requirements.txt": needs, "pyproject.toml": text}
    out = build("main:app", "--target", "aws", files=files)
    with zipfile.ZipFile(out / "function.zip") as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".so")]
    assert compiled == ["pydantic_core/_pydantic_core.cpython-313-aarch64-linux-gnu.so"]
