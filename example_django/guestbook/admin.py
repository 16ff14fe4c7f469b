"""The guestbook in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from .models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """The list of entries, with search."""

    list_display = ["name", "message", "written"]
    search_fields = ["name", "message"]
