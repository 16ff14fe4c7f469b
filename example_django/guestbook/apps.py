"""The guestbook as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """Name the application."""

    name = "guestbook"
