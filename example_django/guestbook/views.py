"""The page of the guestbook."""

from __future__ import annotations

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from django_unigate import HttpRequest

from .forms import EntryForm
from .models import Entry


@require_http_methods(["GET", "HEAD", "POST"])
def guestbook(request: HttpRequest) -> HttpResponse:
    """Show the latest entries and the form, or add an entry."""
    form = EntryForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        entry = form.save()
        cache.expire_tag("entries")
        # Counts after the response: neither this guest nor the next one waits.
        request.unigate.wait_until(count_entries)
        messages.success(request, f"Thank you, {entry.name}.")
        return redirect("guestbook")
    status = 422 if form.is_bound else 200
    page = {
        "form": form,
        "entries": Entry.objects.all()[:20],
        "count": count_entries(),
        "country": request.geolocation["country"],
    }
    return render(request, "guestbook/guestbook.html", page, status=status)


def count_entries() -> int:
    """Return the number of entries, cached for a minute or until the next entry."""
    count: int = cache.get_or_set("count", Entry.objects.count, 60, tags=["entries"])
    return count
