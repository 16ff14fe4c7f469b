"""A TCP proxy whose connections can be made to fail as a network fails them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlencode

from tests.waiting import SECONDS


class Proxy:
    """Forwards connections from its own port to another one while entered."""

    def __init__(self, port: int) -> None:
        self._target = port

    def __enter__(self) -> Proxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[socket.socket] = set()
        self._cut_next = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(SECONDS)
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                _shut(end)
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
        for pair in self._pairs:
            for end in pair:
                end.close()

    def url(self, **options: object) -> str:
        return f"redis://127.0.0.1:{self.port}/?{urlencode(options)}"

    def lead_to(self, port: int) -> None:
        """Forward new connections to another port, as a name that resolves to a new address."""
        self._target = port

    def silence(self) -> None:
        """Lose all further packets of the present connections, as a firewall that forgot them."""
        self._silent.update(end for pair in self._pairs for end in pair)

    def cut_next_reply(self) -> None:
        """Close the connection of the next command instead of forwarding the reply."""
        self._cut_next = True

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), SECONDS)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._pairs.append((client, server))
            for pair in ((client, server), (server, client)):
                thread = threading.Thread(target=self._forward, args=pair)
                self._threads.append(thread)
                thread.start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source in self._silent:
                    continue
                if self._cut_next and any(source is server for _, server in self._pairs):
                    self._cut_next = False
                    break
                target.sendall(data)
        if source not in self._silent:
            _shut(target)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
