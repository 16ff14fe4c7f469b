"""Header fields: repeated, ordered, case-insensitive, Latin-1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Pairs = list[tuple[str, str]]
Address = tuple[str, int]

# RFC 9110 section 7.6.1: these belong to one connection and are not an application's to send.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_DEFAULT_PORTS = {"http": 80, "ws": 80}


def latin1(value: object) -> str:
    """Show any header value as the Latin-1 text that WSGI and ASGI agree on.

    What does not fit is taken as UTF-8, byte for byte, as PEP 3333 shows bytes.
    """
    text = value if isinstance(value, str) else str(value)
    if text.isascii():
        return text
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("latin-1")
    return text


class Headers:
    """Hold header fields in order, repeated ones included, under case-insensitive names.

    Names are kept in lower case, values as Latin-1 text. Looking one up gives its values joined as
    RFC 9110 section 5.3 allows (`cookie` with "; "); `getlist` gives them one by one.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs: Pairs = [(name.lower(), value) for name, value in pairs]

    @classmethod
    def from_map(cls, fields: Mapping[str, Any] | None) -> Headers:
        """Read an event's map of names to a value or a list of values; null values are left out."""
        headers = cls()
        if fields:
            append = headers.pairs.append
            for name, value in fields.items():
                if type(value) is str and value.isascii():
                    append((name.lower(), value))
                elif isinstance(value, (list, tuple)):
                    name = name.lower()
                    for one in value:
                        append((name, latin1(one)))
                elif value is not None:
                    append((name.lower(), latin1(value)))
        return headers

    def getlist(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        name = name.lower()
        return [value for key, value in self.pairs if key == name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the joined value of a field, or the default."""
        values = self.getlist(name)
        return _join(name.lower(), values) if values else default

    def set(self, name: str, value: str) -> None:
        """Replace every value of a field by one, at the place of the first."""
        name = name.lower()
        pairs = [pair for pair in self.pairs if pair[0] != name]
        index = next((i for i, pair in enumerate(self.pairs) if pair[0] == name), len(pairs))
        pairs.insert(index, (name, value))
        self.pairs = pairs

    def remove(self, name: str) -> None:
        """Remove every value of a field, if there is any."""
        name = name.lower()
        self.pairs = [pair for pair in self.pairs if pair[0] != name]

    def join_cookies(self) -> None:
        """Make one field of several `cookie` fields (RFC 9113 section 8.2.3)."""
        cookies = [value for name, value in self.pairs if name == "cookie"]
        if len(cookies) > 1:
            self.set("cookie", "; ".join(cookies))

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getlist(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def grouped(self) -> dict[str, list[str]]:
        """Return the values of each name, as multi-value maps want them."""
        groups: dict[str, list[str]] = {}
        for name, value in self.pairs:
            if name in groups:
                groups[name].append(value)
            else:
                groups[name] = [value]
        return groups

    def joined(self) -> dict[str, str]:
        """Return one value for each name, as single-value maps want them."""
        return {name: _join(name, values) for name, values in self.grouped().items()}


def cased(name: str) -> Iterator[str]:
    """Yield spellings of a name, each once: how a map of single values carries repeated fields."""
    for pattern in range(1 << len(name)):
        spelled = "".join(c.upper() if pattern >> i & 1 else c for i, c in enumerate(name))
        if spelled.lower() == name and (not pattern or spelled != name):
            yield spelled


def _join(name: str, values: list[str]) -> str:
    return ("; " if name == "cookie" else ", ").join(values)


def response_headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """Check and clean the header fields that an application sent.

    Hop-by-hop fields are dropped. Raises ValueError for a line break or NUL (header injection) and
    TypeError for what is not text.
    """
    headers = Headers()
    for name, value in fields:
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"Header names and values must be str, not {name!r}: {value!r}.")
        if not value.isprintable() and any(c in value for c in "\r\n\0"):
            raise ValueError(f"The header {name!r} holds a line break or NUL: {value!r}.")
        name = name.lower()
        if name not in HOP_BY_HOP:
            headers.pairs.append((name, value if value.isascii() else latin1(value)))
    return headers


def split_host(value: str, scheme: str) -> Address:
    """Split "host", "host:port" or "[v6]:port" into a host without brackets and a port."""
    host, colon, port = value.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = value, ""  # no port: a plain name, or an IPv6 address
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    return host.strip("[]"), number or _DEFAULT_PORTS.get(scheme, 443)


def forwarded_peer(headers: Headers) -> Address | None:
    """Return the right-most entry of X-Forwarded-For: the peer that the proxy in front saw.

    Everything left of it is what the client claims. The port is 0 where the entry has none.
    """
    entry = (headers.get("x-forwarded-for") or "").rpartition(",")[2].strip()
    if not entry:
        return None
    if entry.startswith("[") or entry.count(":") == 1:
        host, port = split_host(entry, "https")
        return host, port if entry.endswith(f":{port}") else 0
    return entry, 0
