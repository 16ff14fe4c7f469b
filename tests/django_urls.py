"""The URLs of the Django project that the tests share."""

from __future__ import annotations

from django.urls import re_path

from tests.apps.django_views import view

urlpatterns = [re_path(r"", view)]
