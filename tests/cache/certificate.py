"""A certificate for TLS on the loopback address."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.waiting import SECONDS


class Certificate(NamedTuple):
    """A certificate of 127.0.0.1 that signs itself, for servers and clients, and its key."""

    path: str
    key: str

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        made = cls(str(folder / "certificate.pem"), str(folder / "key.pem"))
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made.key, "-out", made.path]
        subprocess.run([*command.split(), *names], check=True, capture_output=True, timeout=SECONDS)
        return made

    def options(self, port: int) -> list[str]:
        """Return the options of a server that listens on a port with TLS only."""
        files = ["--tls-cert-file", self.path, "--tls-key-file", self.key]
        files += ["--tls-ca-cert-file", self.path, "--tls-replication", "yes"]
        return ["--port", "0", "--tls-port", str(port), *files]
