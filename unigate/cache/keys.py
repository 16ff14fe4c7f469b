"""The keys and tags under which a backend stores the entries of a cache.

Tags of applications may come from clients, so no tag of theirs equals one of ours: ours begin with
`RESERVED`, and theirs that do are stored as a hash.
"""

from __future__ import annotations

from collections.abc import Callable

SEPARATOR = "$"
LONGEST = 200
RESERVED = "unigate-"


def key_maker(
    hash_function: Callable[[str], str] | None, namespace: str | None, separator: str | None
) -> Callable[[str], str]:
    """Return the function that makes the backend's key from the caller's.

    With a hash function the key is `namespace + separator + hash`, as in Vercel's SDKs, and keys
    with equal results share an entry. Without one, different keys never share an entry.

    Raises:
        TypeError: The namespace is not a str.
    """
    if not isinstance(namespace, str | None):
        raise TypeError(f"namespace must be a str, got {namespace!r}.")
    scope = namespace + (separator or SEPARATOR) if namespace else ""
    if hash_function is not None:
        return lambda key: scope + _text(hash_function(_text(key)))
    # The lengths distinguish the namespace "a$b" from the namespace "a" with the key "b$...".
    prefix = f"{len(namespace or '')}.{len(scope)}:{scope}"

    def make(key: str) -> str:
        full = prefix + (key if type(key) is str else _text(key))
        if len(full) <= LONGEST and full.isascii() and full.isprintable():
            return full
        return digest(full)  # has no colon, unlike every key above

    return make


def namespace_tag(namespace: str) -> str:
    """Return the tag of all entries of a namespace, by which `clear` expires them."""
    return f"{RESERVED}namespace-{digest(namespace)}"


def lock_key(full_key: str) -> str:
    """Return the key of a lock, which is not that of a value."""
    return f"lock|{full_key}"


def marker_key(full_key: str) -> str:
    """Return the key of what marks a value as fresh."""
    return f"fresh|{full_key}"


def stored_tag(tag: str) -> str:
    """Return the tag under which a backend has the entries with an application's tag."""
    return f"{RESERVED}tag-{digest(tag)}" if tag.startswith(RESERVED) else tag


def digest(text: str) -> str:
    """Return a hash of a text, 160 bits in hexadecimal, too long for collisions."""
    from hashlib import blake2b  # loads OpenSSL, which short keys do not need

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"A cache key must be a str, got {type(key).__name__}.")
    return key
