"""An Application Load Balancer in front of a function, as resources of CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARAMETERS: Mapping[str, Any] = {
    "Vpc": {"Type": "AWS::EC2::VPC::Id", "Description": "The VPC of the load balancer."},
    "Subnets": {
        "Type": "List<AWS::EC2::Subnet::Id>",
        "Description": "Public subnets of the VPC, in at least two availability zones.",
    },
}
URL = {"Fn::Sub": "http://${LoadBalancer.DNSName}"}


def load_balancer(function_arn: Any) -> dict[str, Any]:
    """Return the resources by their names.

    Args:
        function_arn: What gives the ARN of the function or its alias.
    """
    return {
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
                "Targets": [{"Id": function_arn}],
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
                "FunctionName": function_arn,
                "Principal": "elasticloadbalancing.amazonaws.com",
            },
        },
    }
