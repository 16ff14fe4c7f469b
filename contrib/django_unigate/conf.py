"""The setting UNIGATE: its keys, their defaults, and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from unigate.import_strings import suggestion
from unigate.nearest import did_you_mean


class Settings(NamedTuple):
    """The values of UNIGATE, with the defaults of missing keys."""

    remote_addr: bool = False
    """Whether the middleware sets REMOTE_ADDR to `request.ip_address`."""
    application: str | None = None
    """The import string of the gateway, for `manage.py unigate`."""
    hosts: tuple[str, ...] = ()
    """The host names of the deployment, for the system checks."""
    connection_pause: float = 5.0
    """How long a database connection may be unused before it is checked, in seconds."""


@cache
def read() -> Settings:
    """Return the validated settings.

    Raises:
        ImproperlyConfigured: UNIGATE is not a dictionary, or has an unknown key or an invalid
            value.
    """
    values: Any = getattr(settings, "UNIGATE", {})
    if not isinstance(values, Mapping):
        raise ImproperlyConfigured(f"UNIGATE must be a dictionary, got {values!r}.")
    names = {name.upper(): name for name in Settings._fields}
    if unknown := [key for key in values if key not in names]:
        raise ImproperlyConfigured(
            f"Unknown keys in UNIGATE: {', '.join(map(repr, unknown))}. "
            f"The keys are {', '.join(names)}.{did_you_mean(unknown[0], names)}"
        )
    return Settings(**{names[key]: _checked(key, value) for key, value in values.items()})


def _checked(key: str, value: Any) -> Any:
    expected, is_valid = _RULES[key]
    if not is_valid(value):
        meant = suggestion(value) if key == "APPLICATION" and isinstance(value, str) else None
        advice = f" Did you mean {meant!r}?" if meant else ""
        raise ImproperlyConfigured(f"UNIGATE[{key!r}] must be {expected}, got {value!r}.{advice}")
    return tuple(value) if isinstance(value, list) else value


def _is_import_string(value: Any) -> bool:
    return value is None or (isinstance(value, str) and all(value.partition(":")))


def _are_hosts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(host, str) and host and "/" not in host for host in value
    )


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "REMOTE_ADDR": ("True or False", lambda value: isinstance(value, bool)),
    "APPLICATION": ('an import string, "package.module:attribute"', _is_import_string),
    "HOSTS": ("a list of host names without scheme or path", _are_hosts),
    "CONNECTION_PAUSE": ("a number of seconds, 0 or more", _is_seconds),
}


def _clear_cache(*, setting: str, **_: Any) -> None:
    if setting == "UNIGATE":
        read.cache_clear()


setting_changed.connect(_clear_cache)
