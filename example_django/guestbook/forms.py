"""The form that guests fill in."""

from __future__ import annotations

from django import forms

from .models import Entry


class EntryForm(forms.ModelForm):
    """A form with a name and a message."""

    class Meta:
        model = Entry
        fields = ["name", "message"]
        widgets = {"message": forms.Textarea(attrs={"rows": 4})}
