"""A CDK application in Python that deploys the SAM template and uploads the code.

Source: the AWS CDK developer guide, "Import an existing AWS CloudFormation template".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from unigate.cli.build.templates import render

from .function import Function
from .sam import TEMPLATE, outputs, sam_template

APP = "cdk_app.py"


def cdk_files(function: Function) -> dict[str, bytes]:
    """Return the application, its settings, and the template that it includes.

    Raises:
        click.ClickException: The template refers to an alias, which CDK cannot include.
    """
    if function.has_alias and "alb" in function.triggers:
        raise click.ClickException(
            "CDK cannot include a load balancer of an alias: choose another trigger than alb, or "
            'template = "sam".'
        )
    expressions = {name: _expression(value) for name, value in outputs(function).items()}
    text = render("cdk_app.py.j2", **function._asdict(), outputs=expressions)
    settings = {"app": f"python {APP}"}
    return {
        TEMPLATE: sam_template(function, has_outputs=False),
        APP: text,
        "cdk.json": f"{json.dumps(settings, indent=2)}\n".encode(),
    }


def _expression(value: Mapping[str, Any]) -> str:
    """Return the Python source for a function of CloudFormation.

    CDK refuses references to what SAM makes in a template that it includes, but not in these.
    """
    [(name, argument)] = value.items()
    if name == "Fn::GetAtt":
        return f"cdk.Fn.get_att({argument[0]!r}, {argument[1]!r}).to_string()".replace("'", '"')
    method = {"Ref": "ref", "Fn::Sub": "sub"}[name]
    return f"cdk.Fn.{method}({json.dumps(argument)})"
