"""What every test may rely on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.platforms import PROOFS, VARIABLES

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
os.environ["UNIGATE_NO_SMOKE"] = "1"  # the trial of a build needs what is not installed here
os.environ["VERCEL_TELEMETRY_DISABLED"] = "1"  # Vercel's SDK would report our tests to Vercel

# No test says anything about time, and machines may be busy.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# asgion exists for Python 3.12 and later only.
collect_ignore = ["test_asgion.py"] if sys.version_info < (3, 12) else []


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on a host that says nothing."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run_on(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the variables which prove a platform."""

    def set_all(platform: str) -> None:
        for name, value in PROOFS[platform].items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.fixture
def bounded() -> Iterator[None]:
    """Interrupt a test that would wait for ever, and its end too."""

    def interrupt(number: int, frame: object) -> None:
        raise TimeoutError("Nothing here takes so long.")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 40, 40)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
