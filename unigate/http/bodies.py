"""Bodies: bytes in requests and responses, text or base64 in JSON."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

from unigate.memo import Memo

from .headers import Headers

# Types beyond text/* that are text in UTF-8, by their registration at IANA or by common use.
_TEXT_TYPES = frozenset(
    [
        *("application/cql", "application/csp-report", "application/dns-json"),
        *("application/ecmascript", "application/edi-consent", "application/edi-x12"),
        *("application/edifact", "application/graphql", "application/hjson"),
        *("application/javascript", "application/jose", "application/json", "application/json-seq"),
        *(
            "application/json5",
            "application/jsonl",
            "application/jsonlines",
            "application/jsonpath",
        ),
        *("application/jwt", "application/link-format", "application/linkset"),
        *("application/mpegurl", "application/n-quads", "application/n-triples"),
        *("application/ndjson", "application/node", "application/openapi"),
        *("application/openmetrics-text", "application/pem-certificate-chain"),
        *("application/pgp-keys", "application/pgp-signature"),
        *("application/relax-ng-compact-syntax", "application/rtf", "application/sdp"),
        *("application/sgml", "application/sieve", "application/sparql-query"),
        *("application/sparql-update", "application/sql", "application/srgs", "application/toml"),
        *("application/trig", "application/typescript", "application/vnd.apple.mpegurl"),
        *("application/vnd.dart", "application/vnd.oai.openapi", "application/vnd.oai.workflows"),
        *("application/vnd.yaml", "application/x-csh", "application/x-httpd-php"),
        *("application/x-javascript", "application/x-jsonlines", "application/x-latex"),
        *("application/x-mpegurl", "application/x-ndjson", "application/x-pem-file"),
        *("application/x-perl", "application/x-python", "application/x-ruby", "application/x-sh"),
        *("application/x-shellscript", "application/x-sql", "application/x-subrip"),
        *("application/x-tcl", "application/x-tex", "application/x-texinfo", "application/x-toml"),
        *("application/x-turtle", "application/x-typescript", "application/x-www-form-urlencoded"),
        *("application/x-yaml", "application/xml", "application/xml-dtd"),
        *("application/xml-external-parsed-entity", "application/yaml"),
        *("audio/mpegurl", "audio/x-mpegurl", "audio/x-scpls", "image/x-xbitmap"),
        *("image/x-xpixmap", "message/http", "message/rfc822", "model/mtl", "model/obj"),
    ]
)
# The structured syntax suffixes at IANA that are text.
_TEXT_SUFFIXES = ("+json", "+json-seq", "+jwt", "+sd-jwt", "+xml", "+yaml")
# Charsets whose text is not the same in UTF-8, and what file(1) calls bytes.
_OTHER_CHARSETS = ("binary", "iso-10646", "ucs", "utf-16", "utf-32", "utf16", "utf32")
# The size from which pybase64 saves so much that its import, which takes half a millisecond, pays
# after about ten bodies.
_LARGE = 16 * 1024


def decode_body(body: Any, is_base64: Any) -> bytes:
    """Return an event's body as bytes.

    Raises:
        InvalidEvent: The body is not text, or not valid base64 although `is_base64` is set.
    """
    if not body:
        return b""
    if not isinstance(body, str):
        raise _invalid(f"The event's body must be a string, got {type(body).__name__}.")
    if not is_base64:
        return body.encode("utf-8", "replace")
    try:
        return decode_base64(body)
    except ValueError as error:
        raise _invalid(f"The event's body is not the base64 it claims to be: {error}.") from None


def _invalid(text: str) -> Exception:
    from unigate.errors import InvalidEvent  # most replies do without the exceptions

    return InvalidEvent(text)


@cache
def find_pybase64() -> Any:
    """Return pybase64, which the extra `fast` installs; None where it is not installed."""
    try:
        import pybase64
    except ImportError:
        return None
    return pybase64


def encode_base64(data: bytes) -> str:
    """Return bytes as base64, with padding and without line breaks."""
    if len(data) >= _LARGE and (pybase64 := find_pybase64()) is not None:
        text: str = pybase64.b64encode_as_string(data)
        return text
    return b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Decode base64 in any spelling: with line breaks, without padding, in the URL-safe alphabet.

    Raises:
        ValueError: The text is not base64 (RFC 4648 sections 4 and 5).
    """
    try:
        return _decode_strictly(text)
    except ValueError:
        usual = text.translate(_USUAL)
        if not usual.endswith("="):
            usual += "=" * (-len(usual) % 4)
        return _decode_strictly(usual)


_USUAL = str.maketrans("-_", "+/", "\r\n")


def looks_like_base64(text: str) -> bool:
    """Return True for base64 with its padding, in the usual alphabet and without line breaks."""
    try:
        return bool(_decode_strictly(text))
    except ValueError:
        return False


def _decode_strictly(text: str) -> bytes:
    if len(text) >= _LARGE and (pybase64 := find_pybase64()) is not None:
        try:
            data: bytes = pybase64.b64decode(text, validate=True)
            return data
        except ValueError:
            pass  # raised again with the message of `binascii`
    return a2b_base64(text, strict_mode=True)


TextTypes = Memo[str, bool]
"""Whether a Content-Type is text, for each one that was asked about (see `text_types`)."""


def text_types(more: Iterable[str] | None = ()) -> TextTypes:
    """Return the rule which media types are text, for `is_text` and `encode_body`.

    Args:
        more: Media types that are text beside the known ones, such as "application/vnd.my"; None
            means none.

    Raises:
        ValueError: For anything but media types without parameters.
    """
    if isinstance(more, (str, bytes)) or not isinstance(more, Iterable | None):
        raise ValueError(f"text_types must be a list of media types, got {more!r}.")
    types = frozenset(_checked_type(name) for name in more or ())
    return Memo(partial(_is_text, types | _TEXT_TYPES))


def _checked_type(name: object) -> str:
    kind, _, subtype = name.partition("/") if isinstance(name, str) else ("", "", "")
    # "application/vnd." would stand for no type: prefixes are not read.
    ends = [part[:1] + part[-1:] for part in (kind, subtype)]
    if not all(map(str.isalnum, ends)) or set(" ,;*").intersection(kind + subtype):
        raise ValueError(
            f'text_types must hold media types such as "application/vnd.my", got {name!r}.'
        )
    return f"{kind}/{subtype}".lower()


def _is_text(types: frozenset[str], content_type: str) -> bool:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip(" \t\"'")
    if charset.startswith(_OTHER_CHARSETS):
        return False
    media_type = media_type.strip()
    return (
        not media_type
        or bool(charset)
        or media_type.startswith("text/")
        or media_type in types
        or ("/" in media_type and media_type.endswith(_TEXT_SUFFIXES))
    )


TEXT_TYPES = text_types()


def is_text(content_type: str, types: TextTypes = TEXT_TYPES) -> bool:
    """Return True for a media type whose content can be UTF-8 text, and for a missing type.

    Text is what is registered as text, what has the structured suffix of a text format, and what
    names its charset.
    """
    known = types.get(content_type)
    return types.learn(content_type) if known is None else known


def encode_body(
    fields: Headers | Mapping[str, str], body: bytes, types: TextTypes = TEXT_TYPES
) -> tuple[str, bool]:
    """Return a body as a JSON string, and whether that is base64.

    It is text if there is no Content-Encoding, the type is textual or missing, and the bytes are
    valid UTF-8.

    Args:
        fields: The header fields of the body.
        body: The body.
        types: Which types are text; for a response, its `text_types`.
    """
    if not body:
        return "", False
    coding = fields.get("content-encoding")
    if not coding or coding.lower() == "identity":
        content_type = fields.get("content-type") or ""
        known = types.known.get(content_type)  # `is_text` as a call would take as long again
        if types.learn(content_type) if known is None else known:
            try:
                return body.decode("utf-8"), False
            except UnicodeDecodeError:
                pass
    return encode_base64(body), True


def bodiless(status: int) -> bool:
    """Return True if a response with this status never has a body (RFC 9110 section 6.4.1)."""
    return status < 200 or status in (204, 304)


def carries_body(method: str, status: int, headers: Headers) -> bool:
    """Return True if a response has a body; if its status forbids one, remove Content-Length.

    A response to HEAD keeps Content-Length: it is the length that GET would have.
    """
    if bodiless(status):
        headers.remove("content-length")
        return False
    return method != "HEAD"
