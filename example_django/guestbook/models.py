"""The entries of the guestbook."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """A message from one guest."""

    name = models.CharField(max_length=60)
    message = models.TextField(max_length=500)
    written = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-written", "-pk"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.name}: {self.message[:40]}"
