"""The SAM template of a function, as data that PyYAML writes.

Source: AWS, "AWS SAM template anatomy", and "Intrinsic function reference" for the long forms of
functions, which need no YAML tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def sam_template(
    description: str,
    function: Mapping[str, Any],
    environment: Mapping[str, str],
    trigger: str,
    *,
    streams: bool,
) -> bytes:
    """Return the text of template.yaml.

    Args:
        description: What the function is.
        function: The properties of the function that depend on no other argument.
        environment: The environment variables of the function.
        trigger: What calls it: "http_api", "function_url" or "alb".
        streams: Whether a function URL streams responses.
    """
    properties: dict[str, Any] = {
        name: _Quoted(value) if isinstance(value, str) else value
        for name, value in function.items()
    }
    if environment:
        variables = {_Quoted(name): _Quoted(value) for name, value in sorted(environment.items())}
        properties["Environment"] = {"Variables": variables}
    template: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": _Quoted(description),
    }
    more: Mapping[str, Any] = {}
    url: Any
    if trigger == "http_api":
        properties["Events"] = {"EveryRequest": {"Type": "HttpApi"}}
        url = {"Fn::GetAtt": ["ServerlessHttpApi", "ApiEndpoint"]}
    elif trigger == "function_url":
        mode = "RESPONSE_STREAM" if streams else "BUFFERED"
        properties["FunctionUrlConfig"] = {"AuthType": "NONE", "InvokeMode": mode}
        url = {"Fn::GetAtt": ["FunctionUrl", "FunctionUrl"]}
    else:
        template["Parameters"] = _PARAMETERS
        more = _LOAD_BALANCER
        url = {"Fn::Sub": "http://${LoadBalancer.DNSName}"}
    function_resource = {"Type": "AWS::Serverless::Function", "Properties": properties}
    template["Resources"] = {"Function": function_resource, **more}
    template["Outputs"] = {"Url": {"Value": url}}
    text = yaml.dump(
        template, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return f"# Written by `unigate build`.\n{text}".encode()


class _Quoted(str):
    """Text that is always quoted: what plain text means differs between parsers ("1e3", "on")."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # equal values are written out


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)

_PARAMETERS = {
    "Vpc": {"Type": "AWS::EC2::VPC::Id", "Description": "The VPC of the load balancer."},
    "Subnets": {
        "Type": "List<AWS::EC2::Subnet::Id>",
        "Description": "Public subnets of the VPC, in at least two availability zones.",
    },
}
_FUNCTION_ARN = {"Fn::GetAtt": ["Function", "Arn"]}
_LOAD_BALANCER: Mapping[str, Any] = {
    "Firewall": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "HTTP from any address to the load balancer.",
            "VpcId": {"Ref": "Vpc"},
            "SecurityGroupIngress": [
                {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}
            ],
        },
    },
    "LoadBalancer": {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Subnets": {"Ref": "Subnets"}, "SecurityGroups": [{"Ref": "Firewall"}]},
    },
    "Target": {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "DependsOn": "Permission",
        "Properties": {
            "TargetType": "lambda",
            "Targets": [{"Id": _FUNCTION_ARN}],
            # Without it, a response cannot repeat a header such as Set-Cookie.
            "TargetGroupAttributes": [
                {"Key": "lambda.multi_value_headers.enabled", "Value": "true"}
            ],
        },
    },
    "Listener": {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "LoadBalancer"},
            "Port": 80,
            "Protocol": "HTTP",
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Target"}}],
        },
    },
    "Permission": {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": _FUNCTION_ARN,
            "Principal": "elasticloadbalancing.amazonaws.com",
        },
    },
}
