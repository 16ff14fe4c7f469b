"""`unigate check` on Django projects, each in a separate process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.projects import write

from .checking import ROOT, found_in


@pytest.fixture
def guestbook(tmp_path: Path) -> Path:
    copy = tmp_path / "guestbook"
    shutil.copytree(ROOT / "example_django", copy, ignore=shutil.ignore_patterns("*.sqlite3"))
    return copy


def change(folder: Path, before: str, after: str) -> None:
    settings = folder / "guestbook/settings.py"
    text = settings.read_text()
    assert before in text
    settings.write_text(text.replace(before, after))


def test_djangos_deployment_checks_are_run(guestbook: Path) -> None:
    change(guestbook, '    "django.contrib.messages",\n', "")
    change(guestbook, "DJANGO_DEBUG", "DJANGO_COOKIE_PATH")
    found = {one["place"]: one for one in found_in(guestbook, DJANGO_COOKIE_PATH="1")}
    assert {one["kind"] for one in found.values()} == {"django"}
    assert set(found) >= {"admin.E406", "security.W018"}
    assert found["security.W018"]["message"] == (
        "You should not have DEBUG set to True in deployment."
    )


def test_a_finding_of_django_has_its_object_and_its_hint(guestbook: Path) -> None:
    models = guestbook / "guestbook/models.py"
    field = "models.ForeignKey(Entry, models.CASCADE, unique=True)"
    models.write_text(f"{models.read_text()}\n\nclass Note(models.Model):\n    entry = {field}\n")
    [found] = found_in(guestbook)
    assert found == {
        "kind": "django",
        "place": "fields.W342",
        "message": "guestbook.Note.entry: Setting unique=True on a ForeignKey has the same effect "
        "as using a OneToOneField. ForeignKey(unique=True) is usually better served by a "
        "OneToOneField.",
    }


def test_a_silenced_check_is_not_a_finding(guestbook: Path) -> None:
    assert found_in(guestbook) == []
    change(guestbook, '    "security.W008"', '    # "security.W008"')
    assert [one["place"] for one in found_in(guestbook)] == ["security.W008"]


def test_a_deployment_of_the_example_has_secure_cookies(guestbook: Path) -> None:
    assert found_in(guestbook, DJANGO_ALLOWED_HOSTS="example.org") == []
    change(guestbook, "COOKIE_SECURE = DEPLOYED", "COOKIE_SECURE = False")
    places = [one["place"] for one in found_in(guestbook, DJANGO_ALLOWED_HOSTS="example.org")]
    assert places == ["security.W012", "security.W016"]


def test_a_preset_for_django_deploys_what_the_settings_name(guestbook: Path) -> None:
    write(guestbook, {"vercel.json": '{"framework": "django"}'})
    [found] = found_in(guestbook, "api.index:app")
    assert (found["kind"], found["place"]) == ("entrypoint", "guestbook/asgi.py:10")
    assert "'application', the ASGI_APPLICATION of Django, which is" in found["message"]
    change(guestbook, '"guestbook.asgi.application"', '"api.index.app"')
    assert found_in(guestbook, "api.index:app") == []
