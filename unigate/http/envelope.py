"""API Gateway's envelope for replies, which most other platforms have copied."""

from __future__ import annotations

from unigate.types import Reply

from .bodies import decode_body, encode_body
from .headers import Headers
from .responses import Response


def write_envelope(response: Response, members: Reply) -> Reply:
    """Add `statusCode`, `body` and `isBase64Encoded` to a reply that has its header fields."""
    members["statusCode"] = response.status
    members["body"], members["isBase64Encoded"] = encode_body(
        response.headers.as_map(), response.body, response.text_types
    )
    return members


def read_envelope(reply: Reply) -> Response:
    """Read an envelope as gateways do: for a name in both maps, the multi-value map counts."""
    multi = reply.get("multiValueHeaders") or {}
    single = reply.get("headers") or {}
    repeated = {name.lower() for name in multi}
    rest = {name: value for name, value in single.items() if name.lower() not in repeated}
    body = decode_body(reply.get("body"), reply.get("isBase64Encoded"))
    return Response(int(reply["statusCode"]), Headers.from_map({**rest, **multi}), body)
