"""What each process does with packages that use the runtime cache. It imports what it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

NUMBER = 10  # of sessions that each process makes
REQUESTS = 100  # that each process sends to a view with a limit

opened: list[Any] = []
"""The sessions of Django that this process has read."""


@cache
def set_up_django(url: str, database: str) -> None:
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="only for tests",
        CACHES={
            "default": {
                "BACKEND": "django_unigate.cache.RuntimeCache",
                "LOCATION": url,
                "OPTIONS": {"strict": True},
            }
        },
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": database,
                "OPTIONS": {"timeout": 30, "init_command": "PRAGMA synchronous=OFF"},
            }
        },
        INSTALLED_APPS=["django.contrib.sessions"],
    )
    django.setup()


def session_store(engine: str) -> Any:
    return import_module(f"django.contrib.sessions.backends.{engine}").SessionStore


def make_django_sessions(engine: str, url: str, database: str) -> list[str]:
    """Store sessions with their number, and return their keys."""
    set_up_django(url, database)
    keys = []
    for number in range(NUMBER):
        session = session_store(engine)()
        session.create()
        session["number"] = number
        session.save()
        keys.append(session.session_key)
    return keys


def read_django_sessions(engine: str, url: str, database: str, keys: list[str]) -> list[int]:
    """Return the numbers of the sessions that exist."""
    set_up_django(url, database)
    sessions = [session_store(engine)(key) for key in keys]
    return sorted(session["number"] for session in sessions if "number" in session)


def claim_django_sessions(engine: str, url: str, database: str, keys: list[str]) -> int:
    """Create sessions with keys that others create too; return how many were not taken."""
    from django.contrib.sessions.backends.base import CreateError

    set_up_django(url, database)
    created = 0
    for key in keys:
        try:
            session_store(engine)(key).save(must_create=True)
            created += 1
        except CreateError:
            pass
    return created


def open_django_sessions(engine: str, url: str, database: str, keys: list[str]) -> None:
    """Read sessions and keep them, as requests do that are under way."""
    set_up_django(url, database)
    opened[:] = [session_store(engine)(key) for key in keys]
    for session in opened:
        session["number"] = -1


def flush_django_sessions(engine: str, url: str, database: str, keys: list[str]) -> None:
    """End sessions."""
    for key in keys:
        session_store(engine)(key).flush()


def save_open_sessions() -> int:
    """Save the open sessions; return how many are refused."""
    from django.contrib.sessions.backends.base import UpdateError

    refused = 0
    for session in opened:
        try:
            session.save()
        except UpdateError:
            refused += 1
    return refused


def pass_django_ratelimit(url: str, database: str, client: str) -> int:
    """Return how many of the requests of a client are not limited."""
    set_up_django(url, database)
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django_ratelimit.decorators import ratelimit
    from django_ratelimit.exceptions import Ratelimited

    @ratelimit(key="header:x-client", rate="100/h", group="limited")
    def view(request: Any) -> HttpResponse:
        return HttpResponse("through")

    passed = 0
    for _ in range(REQUESTS):
        with suppress(Ratelimited):
            passed += view(RequestFactory().get("/", HTTP_X_CLIENT=client)).status_code == 200
    return passed


@cache
def flask_session_site(url: str) -> Flask:
    from flask import Flask, session
    from flask_session import Session

    from flask_unigate.cache import RuntimeCache

    site = Flask("sessions")
    site.secret_key = "only for tests"
    site.config["SESSION_TYPE"] = "cachelib"
    site.config["SESSION_CACHELIB"] = RuntimeCache(
        namespace="session", backend=url, secret_key="only for tests"
    )
    Session(site)

    @site.post("/<int:number>")
    def enter(number: int) -> str:
        session["number"] = number
        return "entered"

    @site.get("/")
    def show() -> str:
        return str(session.get("number", "unknown"))

    @site.post("/leave")
    def leave() -> str:
        session.clear()
        return "left"

    return site


def make_flask_sessions(url: str) -> list[str]:
    """Store sessions with their number, and return their cookies."""
    cookies = []
    for number in range(NUMBER):
        response = flask_session_site(url).test_client().post(f"/{number}")
        cookies.append(response.headers["Set-Cookie"].partition(";")[0])
    return cookies


def read_flask_sessions(url: str, cookies: Iterable[str]) -> list[int]:
    """Return the numbers of the sessions that exist."""
    client = flask_session_site(url).test_client(use_cookies=False)
    texts = [client.get("/", headers={"Cookie": cookie}).text for cookie in cookies]
    return sorted(int(text) for text in texts if text != "unknown")


def end_flask_sessions(url: str, cookies: Iterable[str]) -> None:
    client = flask_session_site(url).test_client(use_cookies=False)
    for cookie in cookies:
        assert client.post("/leave", headers={"Cookie": cookie}).text == "left"


def pass_flask_limiter(url: str) -> int:
    """Return how many requests are not limited."""
    from flask import Flask
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    import unigate.cache.limits_storage  # noqa: F401

    site = Flask("limited")
    limiter = Limiter(get_remote_address, app=site, storage_uri=f"unigate+{url}")

    @site.get("/")
    @limiter.limit("100/hour")
    def view() -> str:
        return "through"

    client = site.test_client()
    return sum(client.get("/").status_code == 200 for _ in range(REQUESTS))


def pass_slowapi(url: str) -> int:
    """Return how many requests are not limited."""
    from fastapi import FastAPI, Request
    from fastapi.testclient import TestClient
    from slowapi import Limiter, _rate_limit_exceeded_handler
    from slowapi.errors import RateLimitExceeded
    from slowapi.util import get_remote_address

    import unigate.cache.limits_storage  # noqa: F401

    os.environ["UNIGATE_CACHE_URL"] = url
    site = FastAPI()
    site.state.limiter = limiter = Limiter(get_remote_address, storage_uri="unigate://")
    site.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    async def view(request: Request) -> str:
        return "through"

    view.__annotations__["request"] = Request  # which FastAPI does not find in a function
    site.get("/")(limiter.limit("100/hour")(view))
    with TestClient(site) as client:
        return sum(client.get("/").status_code == 200 for _ in range(REQUESTS))
