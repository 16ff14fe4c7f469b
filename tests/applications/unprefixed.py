"""Applications that do not expect a prefix, mounted as they are and as guides/prefixes.md says.

Runs in an environment with them, and prints the status of a page of each.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import unigate
from unigate import Headers, Request
from unigate.events import http_api

HEADERS = Headers([("host", "api.example.org")])
CLIENT = ("203.0.113.7", 0)
EVENT = http_api.make_event(Request("GET", b"/v2/page", headers=HEADERS, client=CLIENT))


def microdot_asgi() -> Any:
    """Return an ASGI application of Microdot."""
    from microdot.asgi import Microdot

    return _microdot(Microdot())


def microdot_wsgi() -> Any:
    """Return a WSGI application of Microdot."""
    from microdot.wsgi import Microdot

    return _microdot(Microdot())


def _microdot(app: Any) -> Any:
    @app.get("/page")  # type: ignore[untyped-decorator]
    async def page(request: Any) -> str:
        return "page"

    return app


def emmett() -> Any:
    """Return an application of Emmett."""
    import emmett55

    app = emmett55.App(__name__)

    @app.route("/page")  # type: ignore[untyped-decorator]
    async def page() -> str:
        return "page"

    return app


def socketio() -> Any:
    """Return a server of python-socketio."""
    import socketio

    server = socketio.AsyncServer(async_mode="asgi")
    return socketio.ASGIApp(server, static_files={"/page": __file__})


def cherrypy(script_name: str | None = "") -> Any:
    """Return an application of CherryPy."""
    import cherrypy

    class Root:
        @cherrypy.expose  # type: ignore[untyped-decorator]
        def page(self) -> str:
            return "page"

    return cherrypy.Application(Root(), script_name)


def cherrypy_set() -> Any:
    """Return one that reads its prefix."""
    return cherrypy(None)


def dash() -> Any:
    """Return a page of Dash, not its server."""
    import dash

    page = dash.Dash("page", requests_pathname_prefix="/v2/", routes_pathname_prefix="/")
    page.layout = dash.html.Div("page")
    return page


APPLICATIONS = {
    "microdot asgi": microdot_asgi,
    "microdot wsgi": microdot_wsgi,
    "emmett": emmett,
    "python-socketio": socketio,
    "cherrypy": cherrypy,
    "cherrypy, set": cherrypy_set,
    "dash": dash,
}


def status(app: Any) -> int:
    """Return the status of the page below a mount."""
    gateway = unigate.wrap(mounts={"/v2": app}, lifespan="off")
    found: int = gateway(EVENT, None)["statusCode"]
    return found


if __name__ == "__main__":
    name, keep = sys.argv[1], json.loads(sys.argv[2])
    application = APPLICATIONS[name]()
    statuses = [status(application)]
    if keep is not None:
        statuses.append(status(unigate.without_prefix(application, keep_root_path=keep)))
    json.dump(statuses, sys.stdout)
