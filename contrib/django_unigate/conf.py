"""The setting UNIGATE, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


class Settings(NamedTuple):
    """What UNIGATE says, with what it means to say nothing."""

    remote_addr: bool = False
    """Whether the middleware sets REMOTE_ADDR to the address that can be believed."""
    application: str | None = None
    """The import string of the gateway, for `manage.py unigate`."""
    hosts: tuple[str, ...] = ()
    """The host names of the deployment, for the system checks."""
    connection_pause: float = 5.0
    """For how many seconds a database connection may be unused before it is checked."""


@cache
def read() -> Settings:
    """Return the settings; ImproperlyConfigured names what is wrong with them."""
    given: Any = getattr(settings, "UNIGATE", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"UNIGATE is a dictionary, not {given!r}.")
    names = {name.upper(): name for name in Settings._fields}
    if unknown := [key for key in given if key not in names]:
        raise ImproperlyConfigured(
            f"UNIGATE has no {', '.join(map(repr, unknown))}; there are {', '.join(names)}."
        )
    return Settings(**{names[key]: _checked(key, value) for key, value in given.items()})


def _checked(key: str, value: Any) -> Any:
    expected, valid = _RULES[key]
    if not valid(value):
        raise ImproperlyConfigured(f"UNIGATE[{key!r}] is {expected}, not {value!r}.")
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
    "HOSTS": ("a list of host names", _are_hosts),
    "CONNECTION_PAUSE": ("0 or more seconds", _is_seconds),
}


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "UNIGATE":
        read.cache_clear()


setting_changed.connect(_forget)
