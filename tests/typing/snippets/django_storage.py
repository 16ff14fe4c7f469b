"""The storage of static files, combined with one of Django's as its docstring says."""

from __future__ import annotations

from typing import assert_type

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

from django_unigate.storage import MountedStaticFilesStorage


class Storage(MountedStaticFilesStorage, ManifestStaticFilesStorage):
    """Hashed names, below the path of the site."""


assert_type(Storage().url("site.css"), str)
Storage().url(5)  # refused
