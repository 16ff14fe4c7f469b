"""The response, and the rules for headers, paths, queries, bodies and hosts.

Plain values without I/O. Rules that more than one event format or host needs live here.
"""

from __future__ import annotations

from .bodies import bodiless, carries_body, decode_body, encode_body, is_text
from .body_length import BodyLength
from .envelope import read_envelope, write_envelope
from .headers import TOKEN, Headers, latin1
from .hosts import Address, forwarded_peer, port_number, split_host
from .identity import Identity
from .json_values import json_object, json_text, parse_scopes
from .response_fields import HOP_BY_HOP, response_headers, single_value_map
from .responses import Response, check_status, reason_phrase
from .urls import (
    decode_path,
    encode_query,
    join_query,
    quote_bytes,
    quote_path,
    raw_path,
    remove_path_prefix,
    split_query,
    unquote,
)

__all__ = [
    "HOP_BY_HOP",
    "TOKEN",
    "Address",
    "BodyLength",
    "Headers",
    "Identity",
    "Response",
    "bodiless",
    "carries_body",
    "check_status",
    "decode_body",
    "decode_path",
    "encode_body",
    "encode_query",
    "forwarded_peer",
    "is_text",
    "join_query",
    "json_object",
    "json_text",
    "latin1",
    "parse_scopes",
    "port_number",
    "quote_bytes",
    "quote_path",
    "raw_path",
    "read_envelope",
    "reason_phrase",
    "remove_path_prefix",
    "response_headers",
    "single_value_map",
    "split_host",
    "split_query",
    "unquote",
    "write_envelope",
]
