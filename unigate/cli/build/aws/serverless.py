"""serverless.yml for version 3 of the Serverless Framework.

Source: its documentation, "Serverless Framework: AWS Lambda Events" and "Serverless.yml Reference".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .event_sources import EventSource
from .function import ZIP, Function
from .policies import statements
from .yaml_text import quoted, to_yaml

SERVERLESS = "serverless.yml"


def serverless_files(function: Function) -> dict[str, bytes]:
    """Return serverless.yml."""
    provider: dict[str, Any] = {"name": "aws"}
    if not function.is_image:
        provider["runtime"] = f"python{function.python}"
    if "rest_api" in function.triggers:
        # Every type may be binary, so that API Gateway decodes what the function encodes.
        provider["apiGateway"] = {"binaryMediaTypes": ["*/*"]}
    if role := _role(function):
        provider["iam"] = {"role": role}
    configuration: dict[str, Any] = {
        "service": function.name,
        "frameworkVersion": "3",
        "provider": provider,
    }
    if not function.is_image:
        configuration["package"] = {"artifact": ZIP}
    configuration["functions"] = {"function": _function(function)}
    if provider_of := function.capacity_provider:
        values = {
            "CapacityProviderArn": provider_of.arn,
            "PerExecutionEnvironmentMaxConcurrency": provider_of.max_concurrency,
            "ExecutionEnvironmentMemoryGiBPerVCpu": provider_of.memory_per_vcpu,
        }
        config = {"LambdaManagedInstancesCapacityProviderConfig": _given(values)}
        extension = {"FunctionLambdaFunction": {"Properties": {"CapacityProviderConfig": config}}}
        configuration["resources"] = {"extensions": extension}
    return {SERVERLESS: to_yaml(quoted(configuration))}


def _role(function: Function) -> dict[str, Any]:
    names = [policy for policy in function.policies if isinstance(policy, str)]
    role: dict[str, Any] = {}
    if names:
        role["managedPolicies"] = [
            name
            if name.startswith("arn:")
            else {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{name}"}
            for name in names
        ]
    if found := statements(function):
        role["statements"] = _literal(found)
    return role


def _function(function: Function) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if function.is_image:
        made["image"] = "${env:IMAGE_URI}"
    else:
        made["handler"] = function.handler
    made |= {
        "architecture": function.architecture,
        "memorySize": function.memory,
        "timeout": function.timeout,
    }
    if function.environment:
        made["environment"] = _literal(dict(sorted(function.environment.items())))
    if "function_url" in function.triggers:
        made["url"] = {"invokeMode": "RESPONSE_STREAM" if function.streams else "BUFFERED"}
    if function.snap_start:
        made["snapStart"] = True
    if function.provisioned_concurrency:
        made["provisionedConcurrency"] = function.provisioned_concurrency
    if function.vpc:
        made["vpc"] = {
            "subnetIds": function.vpc["subnets"],
            "securityGroupIds": function.vpc["security_groups"],
        }
    if events := [*_requests(function), *_events(function)]:
        made["events"] = events
    return made


def _requests(function: Function) -> Iterator[dict[str, Any]]:
    if "http_api" in function.triggers:
        yield {"httpApi": "*"}
    if "rest_api" in function.triggers:
        yield from ({"http": {"path": path, "method": "any"}} for path in ("/", "/{proxy+}"))
    if "alb" in function.triggers:
        yield {
            "alb": {
                "listenerArn": "${env:ALB_LISTENER_ARN}",
                "priority": 1,
                "conditions": {"path": "*"},
                "multiValueHeaders": True,  # or a response could not repeat Set-Cookie
            }
        }


def _events(function: Function) -> Iterator[dict[str, Any]]:
    for source in function.events:
        options = source.options
        if source.kind == "s3":
            rules = [{key: options[key]} for key in ("prefix", "suffix") if key in options]
            for event in options["events"]:
                made = {"bucket": source.name, "event": event, "rules": rules, "existing": True}
                yield {"s3": {key: value for key, value in made.items() if value}}
        elif source.kind == "sqs":
            yield {"sqs": _given({
                "arn": _arn(source, "sqs", ""),
                "batchSize": options.get("batch_size"),
                "maximumBatchingWindow": options.get("batch_window"),
                "maximumConcurrency": options.get("max_concurrency"),
                "functionResponseType": "ReportBatchItemFailures",
            })}  # fmt: skip
        elif source.kind in ("kinesis", "dynamodb"):
            yield {"stream": _given({
                "type": source.kind,
                "arn": options.get("stream") or _arn(source, "kinesis", "stream/"),
                "batchSize": options.get("batch_size"),
                "batchWindow": options.get("batch_window"),
                "startingPosition": options.get("starting_position", "LATEST"),
                "functionResponseType": "ReportBatchItemFailures",
            })}  # fmt: skip
        elif source.kind == "sns":
            yield {"sns": {"arn": _arn(source, "sns", ""), "topicName": source.name}}
        elif source.kind == "schedule":
            yield {"schedule": {"name": source.name, "rate": [options["schedule"]]}}
        else:
            rule = {"eventBus": options.get("bus"), "pattern": _literal(options["pattern"])}
            yield {"eventBridge": _given(rule)}


def _arn(source: EventSource, service: str, prefix: str) -> Any:
    if source.is_arn:
        return source.resource
    region, account = {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}
    parts = ["arn", {"Ref": "AWS::Partition"}, service, region, account, prefix + source.resource]
    return {"Fn::Join": [":", parts]}  # Fn::Sub is an error for streams


def _literal(value: Any) -> Any:
    """Return a value whose texts have no variables of the framework."""
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
