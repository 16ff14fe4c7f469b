"""The Django application `django_unigate`, for INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import request_finished, request_started
from django.db.backends.signals import connection_created

from unigate import around_work


class UnigateConfig(AppConfig):
    """Register the system checks and the signal receivers for database connections."""

    name = "django_unigate"
    verbose_name = "unigate"

    def ready(self) -> None:
        from . import checks, connections

        checks.register_all()
        connection_created.connect(connections.remember_opened)
        request_started.connect(connections.check_after_pause)
        request_finished.connect(connections.remember_use)
        around_work(connections.closing)
