"""WSGI alone behind the gateway."""

from __future__ import annotations

import unigate
from tests.servers import plain_wsgi

app = unigate.wrap(plain_wsgi.app)
