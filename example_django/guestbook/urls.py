"""The URLs of the project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from .views import guestbook

urlpatterns = [path("", guestbook, name="guestbook"), path("admin/", admin.site.urls)]
