"""A test client that sends requests to an application in the way of any host.

    client = Client(app, source="rest_api")
    assert client.get("/users/ada").json() == {"name": "ada"}

An exception in the application becomes a 500 response, as on a host; to raise it in the test, wrap
the application with `on_error="raise"`.
"""

from __future__ import annotations

from .client import Client, Response
from .cookies import Cookies

__all__ = ["Client", "Cookies", "Response"]
