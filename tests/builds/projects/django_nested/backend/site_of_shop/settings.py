"""The settings of the site."""

from __future__ import annotations

SECRET_KEY = "of a project that is never deployed"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_of_shop.urls"
