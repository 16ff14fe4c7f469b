"""Processes that do the same job at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from tests.waiting import SECONDS

PROCESSES = 4


def serve(pipe: Any) -> None:
    """Run jobs until a message is None."""
    pipe.send("ready")
    while message := pipe.recv():
        job, arguments = message
        pipe.send(job(*arguments))


class Team:
    """Processes that do jobs while entered."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        pipes = [spawn.Pipe() for _ in range(PROCESSES)]
        self._pipes = [ours for ours, _ in pipes]
        self._processes = [
            spawn.Process(target=serve, args=(theirs,), daemon=True) for _, theirs in pipes
        ]
        for process in self._processes:
            process.start()

    def __enter__(self) -> Team:
        assert self._received() == ["ready"] * PROCESSES
        return self

    def __exit__(self, *error: object) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.send(None)
            process.join(SECONDS)

    def do(self, job: Callable[..., Any], *arguments: object) -> list[Any]:
        """Return what a function of a module returns in each process."""
        for pipe in self._pipes:
            pipe.send((job, arguments))
        return self._received()

    def _received(self) -> list[Any]:
        received = []
        for pipe in self._pipes:
            assert pipe.poll(2 * SECONDS), "A process has not answered."
            received.append(pipe.recv())
        return received
