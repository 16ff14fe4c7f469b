"""Put the common request of unigate on Django's request: see `django_unigate.middleware`."""

from __future__ import annotations
