"""The SAM template of a function, as data that PyYAML writes.

Source: AWS, "AWS SAM template anatomy", "AWS::Serverless::Function", and "Intrinsic function
reference" for the long forms of functions, which need no YAML tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .event_sources import BATCHED, EventSource
from .function import ALIAS, ZIP, Function
from .load_balancer import PARAMETERS, URL, load_balancer
from .yaml_text import Quoted, quoted, to_yaml

TEMPLATE = "template.yaml"
_URLS: Mapping[str, Any] = {
    "http_api": {"Fn::GetAtt": ["ServerlessHttpApi", "ApiEndpoint"]},
    # SAM's stage of an implicit API.
    "rest_api": {
        "Fn::Sub": "https://${ServerlessRestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/Prod/"
    },
    "function_url": {"Fn::GetAtt": ["FunctionUrl", "FunctionUrl"]},
    "alb": URL,
}


def sam_template(function: Function, *, has_outputs: bool = True) -> bytes:
    """Return the text of template.yaml.

    Args:
        has_outputs: Whether it has outputs, which refer to resources that SAM makes.
    """
    template: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": Quoted(f"The application {function.application}"),
    }
    resources: dict[str, Any] = {"Function": _resource(function)}
    if "rest_api" in function.triggers:
        # Every type may be binary, so that API Gateway decodes what the function encodes.
        template["Globals"] = {"Api": {"BinaryMediaTypes": ["*~1*"]}}
    if "alb" in function.triggers:
        template["Parameters"] = PARAMETERS
        alias = {"Ref": "Function.Alias"}
        arn = alias if function.has_alias else {"Fn::GetAtt": ["Function", "Arn"]}
        resources |= load_balancer(arn)
    for source in function.events:
        if source.kind == "s3":
            resources[_bucket(source)] = _bucket_resource(source)
    template["Resources"] = resources
    if has_outputs:
        template["Outputs"] = {name: {"Value": url} for name, url in outputs(function).items()}
    return to_yaml(template)


def outputs(function: Function) -> dict[str, Any]:
    """Return the outputs by their names: the addresses, and the name of the function."""
    names = ["Url"] if len(function.triggers) == 1 else map(_output, function.triggers)
    urls = zip(names, function.triggers, strict=True)
    return {**{name: _URLS[trigger] for name, trigger in urls}, "FunctionName": {"Ref": "Function"}}


def _output(trigger: str) -> str:
    words = "".join(word.capitalize() for word in trigger.split("_"))
    return words if words.endswith("Url") else f"{words}Url"


def _resource(function: Function) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if function.is_image:
        properties["PackageType"] = "Image"
    else:
        properties["CodeUri"] = Quoted(ZIP)
        properties["Handler"] = Quoted(function.handler)
        properties["Runtime"] = Quoted(f"python{function.python}")
    properties["Architectures"] = [function.architecture]
    properties["MemorySize"] = function.memory
    properties["Timeout"] = function.timeout
    if function.environment:
        variables = sorted(function.environment.items())
        properties["Environment"] = {
            "Variables": {Quoted(name): Quoted(value) for name, value in variables}
        }
    properties |= _publishing(function)
    if function.vpc:
        properties["VpcConfig"] = {
            "SubnetIds": quoted(function.vpc["subnets"]),
            "SecurityGroupIds": quoted(function.vpc["security_groups"]),
        }
    if function.policies:
        properties["Policies"] = _policies(function)
    events = {**_requests(function), **{source.id: _event(source) for source in function.events}}
    if events:
        properties["Events"] = events
    if "function_url" in function.triggers:
        mode = "RESPONSE_STREAM" if function.streams else "BUFFERED"
        properties["FunctionUrlConfig"] = {"AuthType": "NONE", "InvokeMode": mode}
    resource: dict[str, Any] = {"Type": "AWS::Serverless::Function", "Properties": properties}
    if function.is_image:
        resource["Metadata"] = {
            "Dockerfile": "Dockerfile", "DockerContext": ".", "DockerTag": "function"
        }  # fmt: skip
    return resource


def _publishing(function: Function) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if function.has_alias:
        properties["AutoPublishAlias"] = ALIAS
        properties["AutoPublishAliasAllProperties"] = True  # not only for other code
    if function.snap_start:
        properties["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    if function.provisioned_concurrency:
        count = function.provisioned_concurrency
        properties["ProvisionedConcurrencyConfig"] = {"ProvisionedConcurrentExecutions": count}
    if provider := function.capacity_provider:
        values = {
            "Arn": Quoted(provider.arn),
            "PerExecutionEnvironmentMaxConcurrency": provider.max_concurrency,
            "ExecutionEnvironmentMemoryGiBPerVCpu": provider.memory_per_vcpu,
        }
        properties["CapacityProviderConfig"] = _given(values)
    return properties


def _policies(function: Function) -> list[Any]:
    """Return SAM's list: names, ARNs, policy templates, and statements in a document."""
    return [
        quoted({"Version": "2012-10-17", "Statement": [policy]})
        if isinstance(policy, dict) and "Effect" in policy
        else quoted(policy)
        for policy in function.policies
    ]


def _requests(function: Function) -> dict[str, Any]:
    """Return the events that are HTTP requests."""
    events: dict[str, Any] = {}
    if "http_api" in function.triggers:
        events["EveryRequest"] = {"Type": "HttpApi", "Properties": {}}  # which CDK requires
    if "rest_api" in function.triggers:
        for name, path in (("Root", "/"), ("EveryPath", "/{proxy+}")):
            properties = {"Path": path, "Method": "ANY"}
            if function.streams:
                properties["ResponseTransferMode"] = "STREAM"
            events[name] = {"Type": "Api", "Properties": properties}
    return events


def _event(source: EventSource) -> dict[str, Any]:
    """Return the event of SAM for a source."""
    options = source.options
    batches = {
        "BatchSize": options.get("batch_size"),
        "MaximumBatchingWindowInSeconds": options.get("batch_window"),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    position = {"StartingPosition": options.get("starting_position", "LATEST")}
    concurrency = options.get("max_concurrency")
    scaling = {"MaximumConcurrency": concurrency} if concurrency else None
    properties: dict[str, dict[str, Any]] = {
        "sqs": {"Queue": _arn(source, "sqs", ""), "ScalingConfig": scaling},
        "kinesis": {"Stream": _arn(source, "kinesis", "stream/"), **position},
        "dynamodb": {"Stream": Quoted(options.get("stream", "")), **position},
        "sns": {"Topic": _arn(source, "sns", "")},
        "s3": {"Bucket": {"Ref": _bucket(source)}, **_s3_properties(source)},
        "schedule": {
            "Name": Quoted(source.name), "Schedule": Quoted(options.get("schedule", ""))
        },
        "eventbridge": {
            "RuleName": Quoted(source.name),
            "EventBusName": quoted(options.get("bus")),
            "Pattern": quoted(options.get("pattern")),
        },
    }  # fmt: skip
    types = {
        "sqs": "SQS", "kinesis": "Kinesis", "dynamodb": "DynamoDB", "sns": "SNS", "s3": "S3",
        "schedule": "Schedule", "eventbridge": "EventBridgeRule",
    }  # fmt: skip
    more = batches if source.kind in BATCHED else {}
    made = _given({**properties[source.kind], **more})
    return {"Type": types[source.kind], "Properties": made}


def _s3_properties(source: EventSource) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": Quoted(source.options[name])}
        for name in ("prefix", "suffix")
        if name in source.options
    ]
    properties: dict[str, Any] = {"Events": source.options.get("events", [])}
    return {**properties, "Filter": {"S3Key": {"Rules": rules}}} if rules else properties


def _bucket(source: EventSource) -> str:
    return f"{source.id}Bucket"


def _bucket_resource(source: EventSource) -> dict[str, Any]:
    """Return the bucket itself: CloudFormation sends events of buckets of the same template only.

    Source: AWS, "S3" among the event sources of AWS::Serverless::Function.
    """
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"BucketName": Quoted(source.name)},
    }


def _arn(source: EventSource, service: str, prefix: str) -> Any:
    """Return the ARN of a source, in the account and region of the template by default."""
    if source.is_arn:
        return Quoted(source.resource)
    place = f"{service}:${{AWS::Region}}:${{AWS::AccountId}}"
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{place}:{prefix}{source.resource}"}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
