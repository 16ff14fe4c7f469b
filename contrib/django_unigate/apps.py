"""unigate as a Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import request_finished, request_started
from django.db.backends.signals import connection_created

from unigate import around_work


class UnigateConfig(AppConfig):
    """Register the system checks, and look after database connections."""

    name = "django_unigate"
    verbose_name = "unigate"

    def ready(self) -> None:
        from . import checks, connections

        checks.register_all()
        connection_created.connect(connections.note_opened)
        request_started.connect(connections.check_after_pause)
        request_finished.connect(connections.note_use)
        around_work(connections.closing)
