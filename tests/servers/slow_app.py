"""The WSGI application of the servers' tests behind the gateway, which logs all that it can."""

from __future__ import annotations

import logging

import unigate
from tests.servers import plain_wsgi

log = logging.getLogger("unigate")
log.setLevel(logging.DEBUG)
log.addHandler(logging.StreamHandler())

app = unigate.wrap(plain_wsgi.app)
