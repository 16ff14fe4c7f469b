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

# Imported at first use (PEP 562): the first reply needs half of them.
_LATER = {
    name: module
    for module, names in {
        "bodies": (
            "TEXT_TYPES",
            "TextTypes",
            "bodiless",
            "carries_body",
            "decode_base64",
            "decode_body",
            "encode_base64",
            "encode_body",
            "is_text",
            "looks_like_base64",
            "text_types",
        ),
        "body_length": ("BodyLength",),
        "envelope": ("read_envelope", "write_envelope"),
        "headers": ("Headers", "is_token", "latin1"),
        "hosts": (
            "Address",
            "forwarded_peer",
            "is_host",
            "port_number",
            "split_host",
            "without_ports",
        ),
        "identity": ("Identity",),
        "json_values": ("as_dicts", "json_object", "json_text", "parse_scopes"),
        "response_fields": (
            "HOP_BY_HOP",
            "kept_as_written",
            "response_headers",
            "single_value_map",
        ),
        "public_address": ("public_address",),
        "responses": ("Response", "check_status", "reason_phrase"),
        "urls": (
            "decode_path",
            "encode_query",
            "join_query",
            "quote_bytes",
            "quote_path",
            "raw_path",
            "remove_path_prefix",
            "split_query",
            "unquote",
        ),
    }.items()
    for name in names
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
