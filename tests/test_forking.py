"""Hooks in the child of a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from unigate.forking import after_in_child


def test_function_is_called_in_the_child_only() -> None:
    code = """
    import os
    from unigate.forking import after_in_child

    calls = []

    @after_in_child
    def note() -> None:
        calls.append(os.getpid())

    child = os.fork()
    if not child:
        os._exit(0 if calls == [os.getpid()] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not calls
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_nothing_is_registered_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "register_at_fork")

    def function() -> None: ...

    assert after_in_child(function) is function
