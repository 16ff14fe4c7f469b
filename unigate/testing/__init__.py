"""A test client that sends requests to an application in the way of any host.

    client = Client(app, source="rest_api")
    assert client.get("/users/ada").json() == {"name": "ada"}

`Client` is an `httpx.Client` and `AsyncClient` an `httpx.AsyncClient`, with a transport that asks
an emulated host in this process. docs/testing.md describes both.

An exception that leaves the application becomes a 500 response, as on a host; to raise it in the
test, wrap the application with `on_error="raise"`. Flask and Django have a setting of their own
that lets it out.
"""

from __future__ import annotations

try:
    import httpx  # noqa: F401
except ModuleNotFoundError as error:
    message = "unigate.testing is an extra: pip install 'unigate[testing]'"
    raise ModuleNotFoundError(message, name=error.name) from error

from .client import AsyncClient, Client
from .cookies import Cookies
from .responses import Response
from .transport import HostTransport

__all__ = ["AsyncClient", "Client", "Cookies", "HostTransport", "Response"]
