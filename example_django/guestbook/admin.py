"""The guestbook in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from .models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """List the entries, to find and delete them."""

    list_display = ["name", "message", "written"]
    search_fields = ["name", "message"]
