"""System checks: what works on a server, and not on a function platform."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from unigate import get_env

from .conf import read

_MIDDLEWARE = "django_unigate.middleware.UnigateMiddleware"
# They answer without asking who is there, and want to be first.
_BEFORE = {
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
}
_LOCAL_CACHES = ("locmem.LocMemCache", "filebased.FileBasedCache", "dummy.DummyCache")

Apps = Sequence[AppConfig] | None


def check_settings(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report a wrong UNIGATE (E001), and a middleware that is missing (W001) or late (W002)."""
    try:
        read()
    except ImproperlyConfigured as error:
        hint = "Correct the setting UNIGATE."
        return [Error(str(error), hint=hint, id="django_unigate.E001")]
    if _MIDDLEWARE not in settings.MIDDLEWARE:
        return [
            _warning(
                1,
                "The middleware of django_unigate is not in MIDDLEWARE: requests have no "
                "geolocation, ip_address, runtime_cache and unigate.",
                f"Add {_MIDDLEWARE!r}, near the top.",
            )
        ]
    above = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(_MIDDLEWARE)]
    early = [name for name in above if name not in _BEFORE]
    if not early:
        return []
    return [
        _warning(
            2,
            f"UnigateMiddleware comes after {', '.join(early)}, which do not see what it sets.",
            f"Move {_MIDDLEWARE!r} up, before {early[0]!r}.",
        )
    ]


def check_databases(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report persistent connections (W003) and SQLite files (W004)."""
    found: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        if database.get("CONN_MAX_AGE", 0) != 0:
            found.append(
                _warning(
                    3,
                    f"The database {alias!r} has persistent connections (CONN_MAX_AGE): each "
                    "instance of a function holds one, also while it is frozen.",
                    "Set CONN_MAX_AGE to 0, or connect to a pooler such as PgBouncer.",
                )
            )
        name = str(database.get("NAME") or ":memory:")
        if str(database.get("ENGINE")).endswith("sqlite3") and "memory" not in name:
            temporary = Path(name).resolve().is_relative_to(Path(tempfile.gettempdir()).resolve())
            fate = "forgotten with its instance" if temporary else "on a read-only file system"
            found.append(
                _warning(
                    4,
                    f"The database {alias!r} is a SQLite file, on a function platform {fate}.",
                    "Use a database server for what lasts.",
                )
            )
    return found


def check_hosts(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report hosts that are not allowed (W005), or from which no form can be sent (W006).

    The hosts are those of `UNIGATE["HOSTS"]`, and on Vercel those that it names.
    """
    found: list[CheckMessage] = []
    csrf = "django.middleware.csrf.CsrfViewMiddleware" in settings.MIDDLEWARE
    trusted = [origin.replace("://*.", "://.") for origin in settings.CSRF_TRUSTED_ORIGINS]
    origins = [origin.partition("://")[2] for origin in trusted if origin.startswith("https://")]
    for host in _hosts():
        if not validate_host(host, settings.ALLOWED_HOSTS):
            found.append(
                _warning(
                    5,
                    f"ALLOWED_HOSTS is without {host!r}, where this is deployed: every request "
                    "is answered with 400.",
                    f"Add {host!r} to ALLOWED_HOSTS.",
                )
            )
        if csrf and not validate_host(host, origins):
            found.append(
                _warning(
                    6,
                    f"CSRF_TRUSTED_ORIGINS is without 'https://{host}', where this is deployed: "
                    "forms are refused where the application does not see that it is https.",
                    f"Add 'https://{host}' to CSRF_TRUSTED_ORIGINS.",
                )
            )
    return found


def check_proxy_header(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report redirects without end (W007), and a header that never comes (W008)."""
    header = settings.SECURE_PROXY_SSL_HEADER
    if header is None and settings.SECURE_SSL_REDIRECT:
        return [
            _warning(
                7,
                "SECURE_SSL_REDIRECT is on without SECURE_PROXY_SSL_HEADER: behind a platform "
                "that ends TLS, a server answers with redirects for ever.",
                "Set SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') where the "
                "platform overwrites that header.",
            )
        ]
    if header is not None and not header[0].startswith("HTTP_"):
        return [
            _warning(
                8,
                f"SECURE_PROXY_SSL_HEADER names {header[0]!r}, which no request has.",
                "Name it as in request.META: 'HTTP_X_FORWARDED_PROTO'.",
            )
        ]
    return []


def check_files(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report static files that are not collected anywhere (W009)."""
    finders = getattr(settings, "WHITENOISE_USE_FINDERS", False)
    if not apps.is_installed("django.contrib.staticfiles") or settings.STATIC_ROOT or finders:
        return []
    return [
        _warning(
            9,
            "STATIC_ROOT is not set: there is nowhere to collect static files for a deployment.",
            "Set STATIC_ROOT and run collectstatic, or set WHITENOISE_USE_FINDERS.",
        )
    ]


def check_memory(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report caches (W010) and sessions (W011) that one instance does not share with others."""
    local = {
        alias
        for alias, cache in settings.CACHES.items()
        if str(cache.get("BACKEND")).endswith(_LOCAL_CACHES)
    }
    found = [
        _warning(
            10,
            f"The cache {alias!r} is kept by one instance and not seen by the others.",
            'Use "django_unigate.cache.RuntimeCache", or a server.',
        )
        for alias in sorted(local)
    ]
    if not apps.is_installed("django.contrib.sessions"):
        return found
    engine = settings.SESSION_ENGINE
    in_cache = engine.endswith(".cache") and settings.SESSION_CACHE_ALIAS in local
    if in_cache or engine.endswith(".file"):
        found.append(
            _warning(
                11,
                f"Sessions ({engine}) are kept by one instance: the others do not know its users.",
                "Keep sessions in the database, in signed cookies, or in a cache that is shared.",
            )
        )
    return found


def register_all() -> None:
    """Register the checks: that of the setting for every run, the others for `check --deploy`."""
    register(check_settings, "unigate")
    register(check_databases, "unigate", deploy=True)
    register(check_hosts, "unigate", Tags.security, deploy=True)
    register(check_proxy_header, "unigate", Tags.security, deploy=True)
    register(check_files, "unigate", Tags.staticfiles, deploy=True)
    register(check_memory, "unigate", Tags.caches, deploy=True)


def _hosts() -> Iterable[str]:
    env = get_env()
    try:
        named = read().hosts
    except ImproperlyConfigured:
        named = ()  # E001 tells
    platform = (env.VERCEL_URL, env.VERCEL_BRANCH_URL, env.VERCEL_PROJECT_PRODUCTION_URL)
    return dict.fromkeys([*named, *filter(None, platform)])


def _warning(number: int, message: str, hint: str) -> CheckMessage:
    return Warning(message, hint=hint, id=f"django_unigate.W{number:03}")
