"""The Django settings of the tests, which override what they need."""

from __future__ import annotations

SECRET_KEY = "only for tests"
ROOT_URLCONF = "tests.django_urls"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
