"""Header fields: repeated, ordered, case-insensitive, Latin-1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from unigate.memo import LONGEST, Memo

Pairs = list[tuple[str, str]]

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Letters beyond ASCII stay: U+212A, the Kelvin sign, in lower case would be the letter k.
_ASCII_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def is_token(text: str) -> bool:
    """Return True if a text is a token, as names and methods are (RFC 9110, section 5.6.2)."""
    return text != "" and _TOKEN.issuperset(text)


def _in_lower_case(name: str) -> str:
    return name.lower() if name.isascii() else name.translate(_ASCII_LOWER)


def latin1(value: object) -> str:
    """Return a header value as the Latin-1 text that WSGI and ASGI expect.

    Text beyond Latin-1 is encoded in UTF-8 and each byte becomes a character (PEP 3333).
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
    """Header fields in order, with repeats, under case-insensitive names.

    Names are stored in lower case, values as Latin-1 text. `headers[name]` and `get` join repeated
    values as RFC 9110 section 5.3 allows (`cookie` with "; "); `getlist` returns each value.
    """

    __slots__ = ("_pairs", "single")

    _pairs: Pairs | None
    single: Mapping[str, str] | None
    """The fields as a map if no name is repeated and every value is ASCII, else None.

    Nearly all headers are like this, and can be passed on without a check of each field. The map
    must not be changed.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        if isinstance(pairs, Mapping):
            pairs = pairs.items()
        self._replace([(_in_lower_case(name), value) for name, value in pairs])

    @classmethod
    def from_pairs(cls, pairs: Pairs) -> Headers:
        """Build from a list that is kept, not copied; its names must be in lower case."""
        headers = cls.__new__(cls)
        headers._pairs = pairs
        single = dict(pairs)
        plain = len(single) == len(pairs) and "".join(single.values()).isascii()
        headers.single = single if plain else None
        return headers

    @classmethod
    def from_single(cls, single: Mapping[str, str]) -> Headers:
        """Build from a map that is kept: its names must be in lower case, its values ASCII."""
        headers = _new(cls)
        headers._pairs = None
        headers.single = single
        return headers

    # Nearly every event has one ASCII value for each name. All others are left to `_read`.

    @classmethod
    def from_map(cls, fields: Mapping[str, Any] | None, cookie: str | None = None) -> Headers:
        """Build from an event's map of each name to a value or a list; null values are left out.

        Args:
            fields: The map.
            cookie: Replaces the field of that name, for platforms that pass it separately.
        """
        if not fields:
            return cls.from_pairs([("cookie", latin1(cookie))] if cookie else [])
        try:
            single = fields if _LOWER_ONLY.issuperset(fields) else _lowered(fields)
            if cookie:
                single = {**single, "cookie": cookie}
            for value in single.values():
                if not value.isascii():
                    break
            else:
                headers = _new(cls)
                headers._pairs = None
                headers.single = single
                return headers
        except (AttributeError, ValueError):
            pass  # a value that is not text, or a repeated name
        headers = cls.from_pairs(list(_read(fields)))
        if cookie:
            headers.set("cookie", latin1(cookie))
        return headers

    @classmethod
    def from_maps(cls, multi: Any, fields: Mapping[str, Any] | None) -> Headers:
        """Build from an event's two maps of the same fields.

        Args:
            multi: The map of lists; it is the one that counts, unless it is empty.
            fields: The map of single values.
        """
        if not (multi and isinstance(multi, dict)):
            return cls.from_map(fields)
        single: dict[str, str] = {}
        try:
            for name, (value,) in multi.items():
                if not value.isascii():
                    break
                single[_LOWER[name]] = value
            if len(single) == len(multi):
                headers = _new(cls)
                headers._pairs = None
                headers.single = single
                return headers
        except KeyError:
            if _learn(multi):
                return cls.from_maps(multi, fields)
        except (AttributeError, TypeError, ValueError):
            pass  # a value that is not text, or not a list of one value
        return cls.from_pairs(list(_read(multi)))

    def _replace(self, pairs: Pairs) -> None:
        changed = Headers.from_pairs(pairs)
        self._pairs, self.single = changed._pairs, changed.single

    @property
    def pairs(self) -> Pairs:
        """The fields in order; the list must not be changed."""
        if self._pairs is None:
            self._pairs = list(self.single.items()) if self.single else []
        return self._pairs

    def getlist(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        name = name.lower()
        if self.single is not None:
            return [self.single[name]] if name in self.single else []
        return [value for key, value in self.pairs if key == name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the joined value of a field, or the default."""
        name = name.lower()
        if self.single is not None:
            return self.single.get(name, default)
        values = self.getlist(name)
        return _join(name, values) if values else default

    def add(self, name: str, value: str) -> None:
        """Add a field at the end."""
        self._replace([*self.pairs, (name.lower(), value)])

    def set(self, name: str, value: str) -> None:
        """Replace every value of a field by one, in the place of the first."""
        name = name.lower()
        if self.single is not None and value.isascii():
            self.single, self._pairs = {**self.single, name: value}, None
            return
        pairs = [pair for pair in self.pairs if pair[0] != name]
        index = next((i for i, pair in enumerate(self.pairs) if pair[0] == name), len(pairs))
        pairs.insert(index, (name, value))
        self._replace(pairs)

    def remove(self, name: str) -> None:
        """Remove every value of a field; an absent field is ignored."""
        name = name.lower()
        self._replace([pair for pair in self.pairs if pair[0] != name])

    def join_cookies(self) -> None:
        """Join several `cookie` fields into one (RFC 9113 section 8.2.3)."""
        if self.single is None:
            cookies = self.getlist("cookie")
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

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def grouped(self) -> dict[str, list[str]]:
        """Return a new map of each name to its values, for multi-value maps."""
        groups: dict[str, list[str]] = {}
        if self.single is not None:
            for name, value in self.single.items():
                groups[name] = [value]
            return groups
        for name, value in self.pairs:
            groups.setdefault(name, []).append(value)
        return groups

    def joined(self) -> dict[str, str]:
        """Return a new map of each name to its joined value, for single-value maps."""
        if self.single is not None:
            return {**self.single}
        return dict(self.as_map())

    def as_map(self, separator: str = ", ") -> Mapping[str, str]:
        """Return what `joined` does without a copy; the map must not be changed.

        Args:
            separator: Stands between repeated values; for `cookie` it is always "; ".
        """
        if self.single is not None:
            return self.single
        return {name: _join(name, values, separator) for name, values in self.grouped().items()}

    def last_values(self) -> Mapping[str, str]:
        """Return a map of each name to its last value; it must not be changed."""
        return dict(self.pairs) if self.single is None else self.single

    def encoded(self) -> list[tuple[bytes, bytes]]:
        """Return the fields in order as Latin-1 bytes, as an ASGI scope holds them."""
        single = self.single
        if single is None:
            return [(n.encode("latin-1", "replace"), v.encode("latin-1")) for n, v in self.pairs]
        try:
            return [(_KNOWN[name], value.encode()) for name, value in single.items()]
        except KeyError:
            return [
                (_ENCODED.get(name) or _ENCODED.learn(name), value.encode())
                for name, value in single.items()
            ]


_new = object.__new__


def _join(name: str, values: list[str], separator: str = ", ") -> str:
    return ("; " if name == "cookie" else separator).join(values)


# Names in any case and in lower case; those that were in lower case already; names in bytes.
_LOWER: dict[str, str] = {}
_LOWER_ONLY: set[str] = set()
_MOST = 1000


def _encoded(name: str) -> bytes:
    return name.encode("latin-1", "replace")


_ENCODED = Memo(_encoded, _MOST)
_KNOWN = _ENCODED.known


def _learn(names: Collection[str]) -> bool:
    """Remember the names of an event's fields if they are few and short; clients choose them."""
    if len(names) > _MOST or max(map(len, names)) > LONGEST:
        return False
    if len(_LOWER) > _MOST:
        _LOWER.clear()
        _LOWER_ONLY.clear()
    for name in names:
        _LOWER[name] = lower = _in_lower_case(name)
        if name == lower:
            _LOWER_ONLY.add(name)
    return True


def _lowered(fields: Mapping[str, str]) -> dict[str, str]:
    """Return a map with its names in lower case; ValueError for a repeated name or a long one."""
    try:
        single = {_LOWER[name]: value for name, value in fields.items()}
    except KeyError:
        if not _learn(fields):
            raise ValueError("The names are too many or too long to be remembered.") from None
        return _lowered(fields)
    if len(single) != len(fields):
        raise ValueError("A name is repeated.")
    return single


def _read(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            yield from ((_in_lower_case(name), latin1(item)) for item in value if item is not None)
        elif value is not None:
            yield _in_lower_case(name), latin1(value)
