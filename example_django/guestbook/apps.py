"""The Django application `guestbook`."""

from __future__ import annotations

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """The configuration of the guestbook."""

    name = "guestbook"
