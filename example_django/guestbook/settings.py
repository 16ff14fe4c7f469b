"""Settings for local development; a deployment sets the DJANGO_* variables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parents[1]

# Without DJANGO_SECRET_KEY every process has a different key: sessions end when it restarts.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_unigate",
    "guestbook",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_unigate.middleware.UnigateMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
UNIGATE = {"APPLICATION": "api.index:app", "REMOTE_ADDR": True}
# The stages of an API share a host name: the path "/prod" separates their cookies.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = os.environ.get("DJANGO_COOKIE_PATH", "/")
# Deployments are reached over HTTPS, the local server over HTTP.
DEPLOYED = "DJANGO_ALLOWED_HOSTS" in os.environ
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = DEPLOYED
SILENCED_SYSTEM_CHECKS = [
    "django_unigate.W004",  # a SQLite file: see the README
    "security.W004",  # HSTS binds a whole domain for months: the decision of its owner
    "security.W008",  # serverless platforms redirect to HTTPS themselves, or serve nothing else
    *([] if DEPLOYED else ["security.W012", "security.W016"]),  # secure cookies
]
CACHES = {"default": {"BACKEND": "django_unigate.cache.RuntimeCache"}}
ROOT_URLCONF = "guestbook.urls"
WSGI_APPLICATION = "guestbook.wsgi.application"
ASGI_APPLICATION = "guestbook.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# On serverless platforms only the temporary folder is writable.
WRITABLE_DIR = BASE_DIR if os.access(BASE_DIR, os.W_OK) else Path(tempfile.gettempdir())
DATABASE = Path(os.environ.get("DJANGO_DATABASE") or WRITABLE_DIR / "guestbook.sqlite3")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE,
        # Not in memory: servers and hosts run the application in other threads, also in tests.
        "TEST": {"NAME": DATABASE.with_suffix(".test.sqlite3")},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django_unigate.storage.MountedStaticFilesStorage"},
}
# Static files are served from the folders of the applications, without collectstatic.
WHITENOISE_USE_FINDERS = True
USE_TZ = True
TIME_ZONE = "UTC"
