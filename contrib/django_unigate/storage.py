"""URLs of static files for a site that the host serves under a path."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class MountedStaticFilesStorage(StaticFilesStorage):
    """A static files storage that puts the site's path before each URL.

    At the stage "prod" of API Gateway, for example, the path is "/prod". Django reads STATIC_URL
    once per process, but the path is known only with the request. To combine it with another
    storage, write a class with this one as its first base.
    """

    def url(self, name: str | None, *more: Any, **options: Any) -> str:
        """Return the URL of a file: "/prod/static/..." if the site is under "/prod".

        Other arguments are those of the next base, such as `force` of ManifestStaticFilesStorage.
        """
        return get_script_prefix().rstrip("/") + super().url(name, *more, **options)
