"""Files that look like a secret, or like the data of a development machine."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

# By name, in lower case. A `.env` file and the other names are what the tools that write them
# suggest: gcloud, OpenSSL, OpenSSH, Apple, Azure Functions Core Tools, Django.
SECRET_NAMES = (
    ".env*", "*.env", "credentials*", "client_secret*.json", "local.settings.json", "*.pem",
    "*.key", "*.p8", "*.p12", "*.pfx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.sqlite",
    "*.sqlite-journal", "*.sqlite-wal", "*.sqlite3", "*.sqlite3-journal", "*.sqlite3-wal",
)  # fmt: skip
# The kinds of files that are part of an application, whatever their name.
_SOURCES = (
    ".css", ".htm", ".html", ".j2", ".jinja", ".jinja2", ".js", ".md", ".mjs", ".mo", ".po", ".py",
    ".pyi", ".rst", ".so", ".svg", ".ts", ".tsx",
)  # fmt: skip
_LONGEST = 2**16  # bytes of a file with a key, with much to spare
_PEM_KEY = re.compile(rb"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*$", re.MULTILINE)


def why_secret(file: Path) -> str:
    """Return what makes a file look like a secret, "" if nothing does."""
    name = file.name.lower()
    if not name.endswith(_SOURCES):
        for pattern in SECRET_NAMES:
            if fnmatchcase(name, pattern):
                return "" if pattern == "*.pem" and _is_public(file) else f"its name is {pattern}"
        if _PEM_KEY.search(_content(file)):
            return "it has a private key"
    if name.endswith(".json") and _has_private_key(file):
        return "it has the private key of a service account"
    return ""


def _content(file: Path) -> bytes:
    """Return the content of a small file, b"" of another one."""
    try:
        return file.read_bytes() if file.stat().st_size <= _LONGEST else b""
    except OSError:
        return b""


def _is_public(file: Path) -> bool:
    """Return True for PEM data (RFC 7468) of certificates and public keys alone."""
    try:
        data = file.read_bytes()
    except OSError:
        return False
    is_known = b"-----BEGIN CERTIFICATE-----" in data or b"PUBLIC KEY-----" in data
    return is_known and b"PRIVATE KEY-----" not in data


def _has_private_key(file: Path) -> bool:
    """Return True for a key file of Google Cloud, or one of the same form."""
    data = _content(file)
    if b'"private_key"' not in data:
        return False
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return False
    key = content.get("private_key") if isinstance(content, dict) else None
    return isinstance(key, str) and bool(key)
