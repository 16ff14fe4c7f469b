"""The response, and the rules for headers, paths, queries, bodies and hosts.

Plain values without I/O. Rules that more than one event format or host needs live here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import public_address
    from .bodies import (
        TEXT_TYPES,
        TextTypes,
        bodiless,
        carries_body,
        decode_base64,
        decode_body,
        encode_base64,
        encode_body,
        is_text,
        looks_like_base64,
        text_types,
    )
    from .body_length import BodyLength
    from .envelope import read_envelope, write_envelope
    from .headers import Headers, is_token, latin1
    from .hosts import Address, forwarded_peer, is_host, port_number, split_host, without_ports
    from .identity import Identity
    from .json_values import as_dicts, json_object, json_text, parse_scopes
    from .response_fields import HOP_BY_HOP, kept_as_written, response_headers, single_value_map
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
    "TEXT_TYPES",
    "Address",
    "BodyLength",
    "Headers",
    "Identity",
    "Response",
    "TextTypes",
    "as_dicts",
    "bodiless",
    "carries_body",
    "check_status",
    "decode_base64",
    "decode_body",
    "decode_path",
    "encode_base64",
    "encode_body",
    "encode_query",
    "forwarded_peer",
    "is_host",
    "is_text",
    "is_token",
    "join_query",
    "json_object",
    "json_text",
    "kept_as_written",
    "latin1",
    "looks_like_base64",
    "parse_scopes",
    "port_number",
    "public_address",
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
    "text_types",
    "unquote",
    "without_ports",
    "write_envelope",
]

# Imported at first use (PEP 562): the first reply needs few of them.
_LATER = {
    "Address": "hosts",
    "BodyLength": "body_length",
    "HOP_BY_HOP": "response_fields",
    "Headers": "headers",
    "Identity": "identity",
    "Response": "responses",
    "TEXT_TYPES": "bodies",
    "TextTypes": "bodies",
    "as_dicts": "json_values",
    "bodiless": "bodies",
    "carries_body": "bodies",
    "check_status": "responses",
    "decode_base64": "bodies",
    "decode_body": "bodies",
    "decode_path": "urls",
    "encode_base64": "bodies",
    "encode_body": "bodies",
    "encode_query": "urls",
    "forwarded_peer": "hosts",
    "is_host": "hosts",
    "is_text": "bodies",
    "is_token": "headers",
    "join_query": "urls",
    "json_object": "json_values",
    "json_text": "json_values",
    "kept_as_written": "response_fields",
    "latin1": "headers",
    "looks_like_base64": "bodies",
    "parse_scopes": "json_values",
    "port_number": "hosts",
    "public_address": "public_address",
    "quote_bytes": "urls",
    "quote_path": "urls",
    "raw_path": "urls",
    "read_envelope": "envelope",
    "reason_phrase": "responses",
    "remove_path_prefix": "urls",
    "response_headers": "response_fields",
    "single_value_map": "response_fields",
    "split_host": "hosts",
    "split_query": "urls",
    "text_types": "bodies",
    "unquote": "urls",
    "without_ports": "hosts",
    "write_envelope": "envelope",
}

if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f".{_LATER[name]}", __name__)  # now an attribute of this package
        value = globals()[name] = module if name == _LATER[name] else getattr(module, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})
