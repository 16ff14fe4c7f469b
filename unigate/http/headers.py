"""Header fields: repeated, ordered, case-insensitive, Latin-1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from unigate.memo import Memo

Pairs = list[tuple[str, str]]

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

    __slots__ = ("_pairs", "single")

    _pairs: Pairs | None
    single: Mapping[str, str] | None
    """The fields as a map if no name is repeated and all are ASCII, else None; not to be changed.

    That is how nearly all are, and what can be passed on without a look at each.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._replace([(name.lower(), value) for name, value in pairs])

    @classmethod
    def of(cls, pairs: Pairs) -> Headers:
        """Take a list of fields as it is: names are in lower case."""
        headers = cls.__new__(cls)
        headers._pairs = pairs
        single = dict(pairs)
        plain = len(single) == len(pairs) and "".join(single.values()).isascii()
        headers.single = single if plain else None
        return headers

    # Nearly every event has one ASCII value for each name. What has not is left to `_read`.

    @classmethod
    def from_map(cls, fields: Mapping[str, Any] | None, cookie: str | None = None) -> Headers:
        """Read an event's map of names to a value or a list of values; null values are left out.

        `cookie` takes the place of the field of that name, for platforms that give it apart.
        """
        if not fields:
            return cls.of([("cookie", latin1(cookie))] if cookie else [])
        try:
            single = fields if _LOWER_ONLY.issuperset(fields) else _lowered(fields)
            if cookie:
                single = dict(single)
                single["cookie"] = cookie
            for value in single.values():
                if not value.isascii():
                    break
            else:
                headers = _new(cls)
                headers._pairs = None
                headers.single = single
                return headers
        except (AttributeError, ValueError):
            pass  # a value that is no text, or names that are repeated
        headers = cls.of(list(_read(fields)))
        if cookie:
            headers.set("cookie", latin1(cookie))
        return headers

    @classmethod
    def from_maps(cls, multi: Any, fields: Mapping[str, Any] | None) -> Headers:
        """Read an event's two maps of the same fields: the one with lists, where it is a map."""
        if not isinstance(multi, dict):
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
            _learn(multi)
            return cls.from_maps(multi, fields)
        except (AttributeError, TypeError, ValueError):
            pass  # a value that is no text, a list that is not of one
        return cls.of(list(_read(multi)))

    def _replace(self, pairs: Pairs) -> None:
        changed = Headers.of(pairs)
        self._pairs, self.single = changed._pairs, changed.single

    @property
    def pairs(self) -> Pairs:
        """Return the fields in order; not to be changed."""
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
        """Replace every value of a field by one, at the place of the first."""
        name = name.lower()
        if self.single is not None and value.isascii():
            self.single, self._pairs = {**self.single, name: value}, None
            return
        pairs = [pair for pair in self.pairs if pair[0] != name]
        index = next((i for i, pair in enumerate(self.pairs) if pair[0] == name), len(pairs))
        pairs.insert(index, (name, value))
        self._replace(pairs)

    def remove(self, name: str) -> None:
        """Remove every value of a field, if there is any."""
        name = name.lower()
        self._replace([pair for pair in self.pairs if pair[0] != name])

    def join_cookies(self) -> None:
        """Make one field of several `cookie` fields (RFC 9113 section 8.2.3)."""
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
        """Return the values of each name, as multi-value maps want them."""
        groups: dict[str, list[str]] = {}
        if self.single is not None:
            for name, value in self.single.items():
                groups[name] = [value]
            return groups
        for name, value in self.pairs:
            groups.setdefault(name, []).append(value)
        return groups

    def joined(self) -> dict[str, str]:
        """Return one value for each name, as single-value maps want them."""
        if self.single is not None:
            return dict(self.single)
        return {name: _join(name, values) for name, values in self.grouped().items()}


_new = object.__new__


def spelled(headers: Headers) -> dict[str, str]:
    """Return one value for each name, further cookies under other spellings of `set-cookie`."""
    fields = headers.joined()
    if fields.pop("set-cookie", None) is not None:
        spellings = map("".join, product(*_SET_COOKIE))
        fields.update(zip(spellings, headers.getlist("set-cookie"), strict=False))
    return fields


_SET_COOKIE = ("sS", "eE", "tT", "-", "cC", "oO", "oO", "kK", "iI", "eE")


def _join(name: str, values: list[str]) -> str:
    return ("; " if name == "cookie" else ", ").join(values)


# Names that were seen, in lower case; and those that were in lower case already.
_LOWER: dict[str, str] = {}
_LOWER_ONLY: set[str] = set()


def _learn(names: Iterable[str]) -> None:
    """Remember names; not all of them for ever, because clients invent them."""
    if len(_LOWER) > 2000:
        _LOWER.clear()
        _LOWER_ONLY.clear()
    for name in names:
        _LOWER[name] = name.lower()
        if name == name.lower():
            _LOWER_ONLY.add(name)


def _lowered(fields: Mapping[str, str]) -> dict[str, str]:
    """Return a map with its names in lower case; ValueError for one that is repeated."""
    try:
        single = {_LOWER[name]: value for name, value in fields.items()}
    except KeyError:
        _learn(fields)
        return _lowered(fields)
    if len(single) != len(fields):
        raise ValueError("A name is repeated.")
    return single


def _read(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            yield from ((name.lower(), latin1(one)) for one in value if one is not None)
        elif value is not None:
            yield name.lower(), latin1(value)


def response_headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """Check and clean the header fields that an application sent.

    Hop-by-hop fields are dropped. Raises ValueError for a line break or NUL (header injection) and
    TypeError for what is not text.
    """
    if type(fields) is not list:
        fields = list(fields)
    single: dict[str, str] = {}
    for name, value in fields:
        known = _FIELD_NAMES.get(name) or _FIELD_NAMES.learn(name)
        usual = type(value) is str and value.isascii() and value.isprintable()
        if not usual or not known or known in single:
            pairs = [(_field_name(name), _checked(name, value)) for name, value in fields]
            return Headers.of([pair for pair in pairs if pair[0]])
        single[known] = value
    headers = _new(Headers)
    headers._pairs = None
    headers.single = single
    return headers


def _checked(name: object, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Header names and values must be str, not {name!r}: {value!r}.")
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"The header {name!r} holds a line break or NUL: {value!r}.")
    return latin1(value)


def _field_name(name: str) -> str:
    """Return the name of a response's field in lower case, "" if it is not an application's."""
    if not isinstance(name, str):
        raise TypeError(f"Header names and values must be str, not {name!r}.")
    if not name.isprintable():
        raise ValueError(f"The header name {name!r} holds a line break or NUL.")
    lower = name.lower()
    return "" if lower in HOP_BY_HOP else lower


_FIELD_NAMES = Memo(_field_name)
