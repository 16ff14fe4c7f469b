"""Pickles in a store that others can write to: signed, and loaded only if the signature is valid.

A pickle can run code when it is loaded, so the plugins for frameworks sign each with the secret of
the application. The signature covers the namespace, the key and the time when the value expires, so
a pickle that was copied to another key or namespace, or back after it had expired, is not loaded
either. An older pickle of the same key is until then: a store that others can write to can always
go back in time. Pickles are not encrypted.
"""

from __future__ import annotations

import hmac
import logging
import math
import pickle
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_log = logging.getLogger("unigate")

_DIGEST = "sha256"
_DIGEST_BYTES = 32
_EXPIRES = struct.Struct(">d")  # infinity means never


class Loaded(NamedTuple):
    """A value, and the Unix time when it expires; None means never."""

    value: Any
    expires: float | None


class SignedPickles:
    """Values as text that only holders of a secret can make.

    Args:
        owner: Names the module that stores the values and their format; others are not loaded.
        namespace: The namespace of the cache.
        secrets: Returns the secrets: the first signs, all are accepted.
    """

    def __init__(
        self, owner: str, namespace: str, secrets: Callable[[], Sequence[str | bytes]]
    ) -> None:
        self._owner = owner
        self._namespace = namespace
        self._secrets = secrets

    def dumps(self, key: str, value: Any, expires: float | None) -> str:
        """Return a value for a key as text; there must be a secret.

        Args:
            expires: The Unix time when the value expires; None means never.
        """
        data = _EXPIRES.pack(math.inf if expires is None else expires)
        data += pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return b64encode(self._signature(self._secrets()[0], key, data) + data).decode("ascii")

    def loads(self, key: str, text: object, now: float | None = None) -> Loaded | None:
        """Return the value of a key; None, with a warning in the log, if it cannot be loaded.

        That is: text of another format, owner, namespace, key or secret, a value that has expired,
        and a pickle that cannot be loaded, for example because its class has changed.

        Args:
            now: The Unix time at which the value must be valid; by default the present.
        """
        secrets = self._secrets()
        try:
            if not isinstance(text, str):
                raise ValueError("it is not text")
            signed = b64decode(text, validate=True)
            signature, data = signed[:_DIGEST_BYTES], signed[_DIGEST_BYTES:]
            valid = (self._signature(secret, key, data) for secret in secrets)
            if not any(hmac.compare_digest(signature, each) for each in valid):
                raise ValueError("its signature is invalid")
            expires: float
            (expires,) = _EXPIRES.unpack_from(data)
            if expires < (time.time() if now is None else now):
                raise ValueError("it has expired")
            value = pickle.loads(data[_EXPIRES.size :])
            return Loaded(value, None if expires == math.inf else expires)
        except Exception as error:
            _log.warning("Not loaded from the cache, %r counts as missing: %s", key, error)
            return None

    def _signature(self, secret: str | bytes, key: str, data: bytes) -> bytes:
        name = _bytes(key)
        # The length keeps the end of the key from passing for the beginning of the pickle.
        signed = len(name).to_bytes(8, "big") + name + data
        return hmac.digest(_signing_key(secret, self._owner, self._namespace), signed, _DIGEST)


@lru_cache(maxsize=32)
def _signing_key(secret: str | bytes, owner: str, namespace: str) -> bytes:
    """Derive a key, so that no other use of the secret makes or accepts these signatures."""
    purpose = f"unigate.cache.pickles {len(owner)}:{owner}{namespace}"
    return hmac.digest(_bytes(secret), _bytes(purpose), _DIGEST)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
