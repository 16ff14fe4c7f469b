"""WSGI at the root and ASGI below /v2, in one object: what the servers in the tests run."""

from __future__ import annotations

import unigate
from tests.servers import plain_asgi, plain_wsgi

app = unigate.wrap(plain_wsgi.app, mounts={"/v2": plain_asgi.app})
