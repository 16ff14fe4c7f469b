"""A container image of a function: its Dockerfile, and a way to run it beside AWS's emulator.

Source: AWS, Lambda developer guide, "Deploy Python Lambda functions with container images"; the
base images have the Runtime Interface Emulator as /usr/local/bin/aws-lambda-rie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unigate.cli.build.plan import FileContent
from unigate.cli.build.templates import render
from unigate.cli.project.core import Project
from unigate.cli.project.dependencies import REQUIREMENTS as LOCKED

from .function import Function
from .yaml_text import quoted, to_yaml

REQUIREMENTS = "requirements-lambda.txt"
_EMULATOR = "/usr/local/bin/aws-lambda-rie"
_PORT = "127.0.0.1:9000:8080"
# What a build writes beside the project, and a function does not need.
_IGNORED = (
    ".unigate-build.json", ".dockerignore", "Dockerfile", "compose.yaml", "template.yaml",
    "main.tf", "cdk_app.py", "cdk.json", "cdk.out", "serverless.yml", "sst.config.ts", ".aws-sam",
    ".serverless", ".sst", ".terraform*", "terraform.tfstate*", "node_modules",
)  # fmt: skip


def image_files(
    project: Project, function: Function, added: Mapping[str, bytes]
) -> dict[str, FileContent]:
    """Return the project's files with those that make an image of them.

    Args:
        added: The contents of further files by their path; they replace the project's.
    """
    files: dict[str, FileContent] = {**project.files(), **added}
    requirements = ""
    if project.replaces_requirements:
        requirements = LOCKED
    elif project.requirements[:1] == ["-r"]:
        requirements = project.requirements[1]
    elif project.requirements:
        requirements = REQUIREMENTS
        files[REQUIREMENTS] = "".join(f"{line}\n" for line in project.requirements).encode()
    bytecode = project.settings.get("bytecode", True)
    values = {**function._asdict(), "requirements": requirements, "bytecode": bytecode}
    files["Dockerfile"] = render("Dockerfile.lambda.j2", **values)
    files[".dockerignore"] = "".join(f"{name}\n" for name in _IGNORED).encode()
    files["compose.yaml"] = _compose(function)
    return files


def _compose(function: Function) -> bytes:
    """Return compose.yaml, in which the emulator starts the runtime as Lambda does."""
    machine = "arm64" if function.architecture == "arm64" else "amd64"
    service: dict[str, Any] = {"build": ".", "platform": f"linux/{machine}", "ports": [_PORT]}
    if function.runs_unigate:  # else the base image starts the emulator itself
        python = f"/var/lang/bin/python{function.python}"
        service["entrypoint"] = [_EMULATOR, python, "-m", "unigate.lambda_runtime"]
        service["command"] = [function.handler]
    variables = sorted(function.environment.items())
    values = {name: value.replace("$", "$$") for name, value in variables}
    service["environment"] = {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout), **values}
    return to_yaml(quoted({"services": {"function": service}}))
