"""The commands that deploy a build, whole; what they depend on are environment variables."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from .cdk import APP
from .function import ZIP, Function
from .sam import TEMPLATE

_VARIABLES = {
    "AWS_REGION": "the region, such as eu-west-1",
    "AWS_ACCOUNT_ID": "the number of the account, such as 123456789012",
    "FUNCTION_NAME": "the name of the function",
    "ECR_REPOSITORY": "the name of a repository in Amazon ECR",
    "VPC_ID": "the VPC of the load balancer",
    "SUBNET_IDS": "two public subnets or more, with commas between them",
    "ALB_LISTENER_ARN": "the ARN of a listener of a load balancer",
}
_REGISTRY = "$AWS_ACCOUNT_ID.dkr.ecr.$AWS_REGION.amazonaws.com"
_IMAGE = f"{_REGISTRY}/$ECR_REPOSITORY:latest"


def next_commands(function: Function, template: str, output: Path) -> list[str]:
    """Return the commands, and a line that says what to set for them.

    Args:
        template: One of `project.aws_settings.TEMPLATES`.
        output: The folder that the build writes to.
    """
    folder = quote(str(output))
    pushes = function.is_image and template in ("terraform", "serverless", "sst", "none")
    commands = _push(function, folder) if pushes else []
    commands += {
        "sam": _sam, "terraform": _terraform, "cdk": _cdk, "serverless": _serverless, "sst": _sst,
        "none": _update,
    }[template](function, folder)  # fmt: skip
    text = "\n".join(commands)
    named = [f"{name} to {what}" for name, what in _VARIABLES.items() if f"${name}" in text]
    return [*commands, f"Before that, set {', '.join(named)}."]


def _push(function: Function, folder: str) -> list[str]:
    machine = "arm64" if function.architecture == "arm64" else "amd64"
    return [
        'aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS '
        f'--password-stdin "{_REGISTRY}"',
        # Lambda takes no manifest with attestations.
        f'docker build --platform linux/{machine} --provenance=false --tag "{_IMAGE}" {folder}',
        f'docker push "{_IMAGE}"',
    ]


def _sam(function: Function, folder: str) -> list[str]:
    template = f"{folder}/{TEMPLATE}" if folder != "." else TEMPLATE
    parameters = ""
    if "alb" in function.triggers:
        parameters = ' --parameter-overrides Vpc="$VPC_ID" Subnets="$SUBNET_IDS"'
    deploy = f'--stack-name {function.name} --region "$AWS_REGION"{parameters}'
    if function.is_image:
        return [
            f"sam build --template {template}",
            f"sam deploy --guided --resolve-image-repos {deploy}",
        ]
    return [f"sam deploy --guided --template {template} {deploy}"]


def _terraform(function: Function, folder: str) -> list[str]:
    variables = f' -var "image_uri={_IMAGE}"' if function.is_image else ""
    if "alb" in function.triggers:
        variables += ' -var "vpc_id=$VPC_ID" -var "subnet_ids=$SUBNET_IDS"'
    return [
        f"terraform -chdir={folder} init",
        f'AWS_REGION="$AWS_REGION" terraform -chdir={folder} apply{variables}',
    ]


def _cdk(function: Function, folder: str) -> list[str]:
    parameters = ""
    if "alb" in function.triggers:
        parameters = ' --parameters Vpc="$VPC_ID" --parameters Subnets="$SUBNET_IDS"'
    place = 'CDK_DEFAULT_ACCOUNT="$AWS_ACCOUNT_ID" CDK_DEFAULT_REGION="$AWS_REGION"'
    return [
        "python -m pip install aws-cdk-lib",
        f'cd {folder} && npx aws-cdk@2 bootstrap "aws://$AWS_ACCOUNT_ID/$AWS_REGION"',
        f'{place} npx aws-cdk@2 deploy --app "python {APP}"{parameters}',
    ]


def _serverless(function: Function, folder: str) -> list[str]:
    image = f'IMAGE_URI="{_IMAGE}" ' if function.is_image else ""
    listener = 'ALB_LISTENER_ARN="$ALB_LISTENER_ARN" ' if "alb" in function.triggers else ""
    return [f'cd {folder} && {image}{listener}npx serverless@3 deploy --region "$AWS_REGION"']


def _sst(function: Function, folder: str) -> list[str]:
    variables = 'AWS_REGION="$AWS_REGION"'
    if function.is_image:
        variables += f' IMAGE_URI="{_IMAGE}"'
    if "alb" in function.triggers:
        variables += ' VPC_ID="$VPC_ID" SUBNET_IDS="$SUBNET_IDS"'
    return [f"cd {folder} && {variables} npx sst@3 deploy --stage production"]


def _update(function: Function, folder: str) -> list[str]:
    code = f'--image-uri "{_IMAGE}"' if function.is_image else f"--zip-file fileb://{folder}/{ZIP}"
    publish = " --publish" if function.has_alias else ""
    update = "aws lambda update-function-code"
    return [f'{update} --region "$AWS_REGION" --function-name "$FUNCTION_NAME" {code}{publish}']
