"""System checks: settings that work on a server but not on a serverless platform."""

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
# These need none of the attributes, and their documentation puts them first.
_BEFORE = {
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
}
_CACHE = "django_unigate.cache.RuntimeCache"
_LOCAL_CACHES = ("locmem.LocMemCache", "filebased.FileBasedCache", "dummy.DummyCache")

Apps = Sequence[AppConfig] | None


def check_settings(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report an invalid UNIGATE (E001), and a missing (W001) or late (W002) middleware."""
    try:
        read()
    except ImproperlyConfigured as error:
        hint = "Correct UNIGATE in the settings."
        return [Error(str(error), hint=hint, id="django_unigate.E001")]
    if _MIDDLEWARE not in settings.MIDDLEWARE:
        return [
            _warning(
                1,
                "UnigateMiddleware is not in MIDDLEWARE: requests lack the attributes unigate, "
                "geolocation, ip_address and runtime_cache.",
                f"Add {_MIDDLEWARE!r} near the top of MIDDLEWARE.",
            )
        ]
    above = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(_MIDDLEWARE)]
    early = [name for name in above if name not in _BEFORE]
    if not early:
        return []
    return [
        _warning(
            2,
            f"UnigateMiddleware comes after {', '.join(early)}: its attributes are missing there.",
            f"Move {_MIDDLEWARE!r} before {early[0]!r}.",
        )
    ]


def check_databases(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report persistent connections (W003) and SQLite files (W004)."""
    messages: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        if database.get("CONN_MAX_AGE", 0) != 0:
            messages.append(
                _warning(
                    3,
                    f"The database {alias!r} has persistent connections (CONN_MAX_AGE): each "
                    "function instance holds one, even while it is frozen.",
                    "Set CONN_MAX_AGE to 0, or connect to a pooler such as PgBouncer.",
                )
            )
        name = str(database.get("NAME") or ":memory:")
        if str(database.get("ENGINE")).endswith("sqlite3") and "memory" not in name:
            temporary = Path(name).resolve().is_relative_to(Path(tempfile.gettempdir()).resolve())
            fate = "lost with its instance" if temporary else "on a read-only file system"
            messages.append(
                _warning(
                    4,
                    f"The database {alias!r} is a SQLite file: on a serverless platform it is "
                    f"{fate}.",
                    "Use a database server for data that must last.",
                )
            )
    return messages


def check_hosts(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report hosts that are not allowed (W005) or not trusted as origins of forms (W006).

    The hosts are those of `UNIGATE["HOSTS"]` and, on Vercel, of its environment variables.
    """
    messages: list[CheckMessage] = []
    csrf = "django.middleware.csrf.CsrfViewMiddleware" in settings.MIDDLEWARE
    trusted = [origin.replace("://*.", "://.") for origin in settings.CSRF_TRUSTED_ORIGINS]
    origins = [origin.partition("://")[2] for origin in trusted if origin.startswith("https://")]
    for host in _hosts():
        if not validate_host(host, settings.ALLOWED_HOSTS):
            messages.append(
                _warning(
                    5,
                    f"ALLOWED_HOSTS does not include {host!r}, a host of this deployment: every "
                    "request there gets a 400 response.",
                    f"Add {host!r} to ALLOWED_HOSTS.",
                )
            )
        if csrf and not validate_host(host, origins):
            messages.append(
                _warning(
                    6,
                    f"CSRF_TRUSTED_ORIGINS does not include 'https://{host}', an origin of this "
                    "deployment: unless Django sees that a request is HTTPS, its forms get a 403.",
                    f"Add 'https://{host}' to CSRF_TRUSTED_ORIGINS.",
                )
            )
    return messages


def check_proxy_header(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report endless redirects (W007) and a header that no request has (W008)."""
    header = settings.SECURE_PROXY_SSL_HEADER
    if header is None and settings.SECURE_SSL_REDIRECT:
        return [
            _warning(
                7,
                "SECURE_SSL_REDIRECT is on without SECURE_PROXY_SSL_HEADER: behind a platform "
                "that terminates TLS, a server redirects every request endlessly.",
                "Set SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') if the "
                "platform overwrites that header.",
            )
        ]
    if header is not None and not header[0].startswith("HTTP_"):
        return [
            _warning(
                8,
                f"SECURE_PROXY_SSL_HEADER must name a header as request.META does, got "
                f"{header[0]!r}.",
                "Write it with the prefix HTTP_, for example 'HTTP_X_FORWARDED_PROTO'.",
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
            "STATIC_ROOT is not set: collectstatic cannot collect static files for deployment.",
            "Set STATIC_ROOT and run collectstatic, or set WHITENOISE_USE_FINDERS.",
        )
    ]


def check_caches(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report caches that are local to one instance (W010)."""
    return [
        _warning(
            10,
            f"The cache {alias!r} is local to one instance: the others do not see its entries.",
            f"Use a cache server or {_CACHE!r}, without memory:// as LOCATION: Redis or Valkey if "
            "locks, counters or rate limits are in it, which Vercel's Runtime Cache cannot keep.",
        )
        for alias in sorted(settings.CACHES)
        if _is_local(alias)
    ]


def check_sessions(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Report sessions that are local to one instance (W011) or may not be stored (W012)."""
    if not apps.is_installed("django.contrib.sessions"):
        return []
    engine = settings.SESSION_ENGINE
    alias = settings.SESSION_CACHE_ALIAS
    in_cache = engine.endswith(".cache") and alias in settings.CACHES
    if engine.endswith(".file") or (in_cache and _is_local(alias)):
        return [
            _warning(
                11,
                f"Sessions ({engine}) are local to one instance: on the others its users are "
                "logged out.",
                "Keep sessions in the database, in signed cookies, or in a shared cache.",
            )
        ]
    cache = settings.CACHES[alias] if in_cache else {}
    if cache.get("BACKEND") == _CACHE and not (cache.get("OPTIONS") or {}).get("strict"):
        return [
            _warning(
                12,
                f"Sessions are in the cache {alias!r}, in which a failed write is not an error, "
                "nor is a session of more than 1.5 MB: a user could log in whose session was not "
                "stored, or lose it.",
                'Set "OPTIONS": {"strict": True} for a cache of sessions.',
            )
        ]
    return []


def _is_local(alias: str) -> bool:
    cache = settings.CACHES[alias]
    backend = str(cache.get("BACKEND"))
    # Without a LOCATION, the platform and the environment of the deployment decide.
    in_memory = backend == _CACHE and str(cache.get("LOCATION")).lower().startswith("memory:")
    return in_memory or backend.endswith(_LOCAL_CACHES)


def register_all() -> None:
    """Register all checks: `check_settings` for every run, the others for `check --deploy`."""
    register(check_settings, "unigate")
    register(check_databases, "unigate", deploy=True)
    register(check_hosts, "unigate", Tags.security, deploy=True)
    register(check_proxy_header, "unigate", Tags.security, deploy=True)
    register(check_files, "unigate", Tags.staticfiles, deploy=True)
    register(check_caches, "unigate", Tags.caches, deploy=True)
    register(check_sessions, "unigate", Tags.caches, deploy=True)


def _hosts() -> Iterable[str]:
    env = get_env()
    try:
        named = read().hosts
    except ImproperlyConfigured:
        named = ()  # E001 reports it
    vercel = (env.VERCEL_URL, env.VERCEL_BRANCH_URL, env.VERCEL_PROJECT_PRODUCTION_URL)
    return dict.fromkeys([*named, *filter(None, vercel)])


def _warning(number: int, message: str, hint: str) -> CheckMessage:
    return Warning(message, hint=hint, id=f"django_unigate.W{number:03}")
