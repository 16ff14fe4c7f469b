"""Static files below the path at which the host has mounted the site."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class MountedStaticFilesStorage(StaticFilesStorage):
    """Put the mount before each URL, such as "/prod" at a stage of API Gateway.

    Django reads STATIC_URL once for the process; the mount is known with the request. For another
    storage, name this class first among the bases of one of your own.
    """

    def url(self, name: str | None) -> str:
        """Return "/prod/static/..." where the mount is "/prod"."""
        return get_script_prefix().rstrip("/") + super().url(name)
