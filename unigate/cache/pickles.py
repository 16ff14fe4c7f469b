"""Pickles in a store that others can write to: signed, and loaded only if the signature is valid.

A pickle can run code when it is loaded, so the plugins for frameworks sign each with the secret of
the application. The signature covers the namespace and the key, so a pickle that was copied to
another key or namespace is not loaded either. An older pickle of the same key is: a store that
others can write to can always go back in time. Pickles are not encrypted.
"""

from __future__ import annotations

import hmac
import logging
import pickle
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

_log = logging.getLogger("unigate")

_DIGEST = "sha256"
_DIGEST_BYTES = 32


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

    def dumps(self, key: str, value: Any) -> str:
        """Return a value for a key as text; there must be a secret."""
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return b64encode(self._signature(self._secrets()[0], key, data) + data).decode("ascii")

    def loads(self, key: str, text: object, default: Any = None) -> Any:
        """Return the value of a key, or the default with a warning in the log.

        That is: text of another format, owner, namespace, key or secret, and a pickle that cannot
        be loaded, for example because its class has changed.
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
            return pickle.loads(data)
        except Exception as error:
            _log.warning("Not loaded from the cache, %r counts as missing: %s", key, error)
            return default

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
