"""The key under which a backend stores an entry."""

from __future__ import annotations

from collections.abc import Callable

SEPARATOR = "$"
LONGEST = 200


def key_maker(
    hash_function: Callable[[str], str] | None, namespace: str | None, separator: str | None
) -> Callable[[str], str]:
    """Return what makes the backend's key of the caller's, in Vercel's format with its hash.

    With a hash function the key is `namespace + separator + hash`, as in Vercel's SDKs: whether two
    keys share an entry is then up to that function and those names. Ours never do.
    """
    scope = namespace + (separator or SEPARATOR) if namespace else ""
    if hash_function is not None:
        return lambda key: scope + _text(hash_function(_text(key)))
    # The lengths tell the namespace "a$b" from "a" with the key "b$...".
    prefix = f"{len(namespace or '')}.{len(scope)}:{scope}"

    def make(key: str) -> str:
        full = prefix + _text(key)
        if len(full) <= LONGEST and full.isascii() and full.isprintable():
            return full
        return digest(full)  # without a colon, which the others have

    return make


def namespace_tag(namespace: str) -> str:
    """Return the tag that all entries of a namespace have, so that it can be cleared alone."""
    return f"unigate-namespace-{digest(namespace)}"


def digest(text: str) -> str:
    """Return 160 bits of a hash: two texts with the same one are not to be found."""
    from hashlib import blake2b  # loads OpenSSL, which short keys do not need

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"A cache key is text, not of type {type(key).__name__}.")
    return key
