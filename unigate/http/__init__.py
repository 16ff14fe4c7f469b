"""The response, and every rule about headers, paths, queries and bodies.

Plain values without I/O. Each rule that more than one format needs stands here once.
"""

from __future__ import annotations

from .bodies import bodiless, carries_body, decode_body, encode_body, is_text
from .envelope import read_envelope, write_envelope
from .headers import Headers, latin1, response_headers, spelled
from .hosts import Address, forwarded_peer, split_host
from .identity import Identity, scopes, table, text
from .responses import Response, reason
from .urls import (
    below,
    decode_path,
    encode_query,
    join_query,
    quote_bytes,
    quote_path,
    raw_path,
    split_query,
    unquote,
)

__all__ = [
    "Address",
    "Headers",
    "Identity",
    "Response",
    "below",
    "bodiless",
    "carries_body",
    "decode_body",
    "decode_path",
    "encode_body",
    "encode_query",
    "forwarded_peer",
    "is_text",
    "join_query",
    "latin1",
    "quote_bytes",
    "quote_path",
    "raw_path",
    "read_envelope",
    "reason",
    "response_headers",
    "scopes",
    "spelled",
    "split_host",
    "split_query",
    "table",
    "text",
    "unquote",
    "write_envelope",
]
