"""What an entry of CACHES can say of `django_unigate.cache.RuntimeCache`."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured

from unigate.nearest import nearest

_OWN = ["namespace", "strict"]
_IGNORED = {"MAX_ENTRIES", "CULL_FREQUENCY"}  # Django's base class reads them

_IN_LOCATION = "write it in LOCATION, the URL of the store"
_BESIDE = "write it beside OPTIONS"

# Of Django's own backend for Redis, and of django-redis 6.
_ELSEWHERE = {
    "CLIENT_CLASS": "leave it out",
    "CLIENT_CLASS_KWARGS": _IN_LOCATION,
    "COMPRESSOR": "leave it out",
    "CONNECTION_FACTORY": "leave it out",
    "CONNECTION_POOL_CLASS": "leave it out",
    "CONNECTION_POOL_KWARGS": _IN_LOCATION,
    "IGNORE_EXCEPTIONS": "write strict, which is its opposite",
    "KEY_PREFIX": _BESIDE,
    "LOG_IGNORED_EXCEPTIONS": "leave it out: failures are logged",
    "PARSER_CLASS": "leave it out",
    "PASSWORD": _IN_LOCATION,
    "SENTINELS": _IN_LOCATION,
    "SENTINEL_KWARGS": _IN_LOCATION,
    "SERIALIZER": "leave it out: values are pickled and signed",
    "SOCKET_CONNECT_TIMEOUT": _IN_LOCATION,
    "SOCKET_TIMEOUT": _IN_LOCATION,
    "TIMEOUT": _BESIDE,
    "VERSION": _BESIDE,
    "db": _IN_LOCATION,
    "parser_class": "leave it out",
    "password": _IN_LOCATION,
    "pool_class": "leave it out",
    "serializer": "leave it out: values are pickled and signed",
    "username": _IN_LOCATION,
}


def check_options(names: Iterable[str]) -> None:
    """Raise ImproperlyConfigured for a name in OPTIONS that the cache would ignore."""
    for name in names:
        if name in _OWN or name in _IGNORED:
            continue
        near = nearest(name, _OWN)
        advice = f"did you mean {near!r}?" if near else f"it has {' and '.join(_OWN)}."
        if name in _ELSEWHERE:
            advice = f"{_ELSEWHERE[name]}."
        raise ImproperlyConfigured(
            f"OPTIONS of django_unigate.cache.RuntimeCache has no {name!r}: {advice}"
        )


def check_location(location: object) -> None:
    """Raise ImproperlyConfigured for a LOCATION of several servers, as Django's backend has."""
    listed = isinstance(location, (list, tuple))
    if listed or (isinstance(location, str) and location.count("://") > 1):
        raise ImproperlyConfigured(
            "LOCATION of django_unigate.cache.RuntimeCache must be one URL. Replicas are not read, "
            "as they can have old values; for a failover write redis+sentinel:// or "
            "redis+cluster:// with several hosts, separated by commas."
        )
