"""Applications with a prefix setting of their own, below a prefix, with the setting and without.

Runs in an environment with them, and prints what their pages link to and what a client gets there.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import unigate
from unigate import Headers, Request, Response
from unigate.events import EventSource, http_api, rest_api
from unigate.types import WSGIApp

HOST = "abc.execute-api.eu-west-1.amazonaws.com"
MOUNT = "/v2"

Ask = Callable[..., Response]


def asking(app: WSGIApp, stage: str) -> Ask:
    """Return a function that sends requests to an application at a stage and a mount."""
    gateway = unigate.wrap(mounts={MOUNT: app})
    source: EventSource = rest_api if stage else http_api

    def ask(target: str, method: str = "GET", **fields: str) -> Response:
        path, _, query = target.partition("?")
        request = Request(
            method,
            path.encode(),
            query_string=query.encode(),
            headers=Headers([("host", HOST), *fields.items()]),
            root_path=stage,
        )
        return source.from_reply(gateway(source.make_event(request)))

    return ask


def links_of(response: Response) -> Iterator[str]:
    """Yield what a page links to, as it is written."""
    text = response.body.decode()
    yield from re.findall(r'(?:src|href)="([^"#]+)"', text)
    yield from re.findall(r"href>([^<]+)<", text)
    if "location" in response.headers:
        yield response.headers["location"]


def dash(prefix: str | None) -> WSGIApp:
    """Return a page of Dash."""
    import dash

    settings: dict[str, Any] = {}
    if prefix:
        settings = {"requests_pathname_prefix": f"{prefix}/", "routes_pathname_prefix": "/"}
    page = dash.Dash("page", **settings)
    page.layout = dash.html.Div("orders")
    return page.server  # type: ignore[no-any-return]


def visit_dash(ask: Ask, root: str) -> Iterator[str]:
    """Load the page as a browser does, with what its scripts ask for."""
    page = ask(f"{root}/")
    yield from links_of(page)
    found = re.search(r'"requests_pathname_prefix":("[^"]*")', page.body.decode())
    assert found
    for name in ("_dash-layout", "_dash-dependencies"):
        yield json.loads(found[1]) + name


def wsgidav(prefix: str | None) -> WSGIApp:
    """Return a folder of WsgiDAV."""
    from wsgidav.wsgidav_app import WsgiDAVApp

    folder = Path(tempfile.mkdtemp())
    (folder / "a file.txt").write_text("one")
    (folder / "moved.txt").write_text("two")
    (folder / "folder").mkdir()
    return WsgiDAVApp(  # type: ignore[no-any-return]
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": True}},
            "logging": {"enable": False},
            "verbose": 1,
            **({"mount_path": prefix} if prefix else {}),
        }
    )


def visit_wsgidav(ask: Ask, root: str) -> Iterator[str]:
    """Look at the folder as a browser and as a WebDAV client, and move a file."""
    yield from links_of(ask(f"{root}/"))
    moved = ask(f"{root}/moved.txt", "MOVE", destination=f"https://{HOST}{root}/there.txt")
    assert moved.status in (201, 409), moved.body
    yield from links_of(ask(f"{root}/", "PROPFIND", depth="1"))
    if moved.status == 201:
        yield f"{root}/there.txt"
    yield from links_of(ask(f"{root}/folder"))


def flask_admin(prefix: str | None) -> WSGIApp:
    """Return a site with Flask-Admin."""
    import flask
    import flask_admin
    from flask_admin.base import BaseView, expose

    class Orders(BaseView):  # type: ignore[misc]
        @expose("/")  # type: ignore[untyped-decorator]
        def index(self) -> Any:
            return self.render("admin/index.html")

    site = flask.Flask(__name__)
    admin = flask_admin.Admin(site, name="shop")
    admin.add_view(Orders(name="Orders", endpoint="orders"))
    if prefix:
        admin.url = f"{prefix}/admin"
    return site


def visit_flask_admin(ask: Ask, root: str) -> Iterator[str]:
    """Look at the pages."""
    yield from links_of(ask(f"{root}/admin/"))
    yield from links_of(ask(f"{root}/admin/orders/"))


APPLICATIONS: dict[str, tuple[Callable[[str | None], WSGIApp], Any]] = {
    "dash": (dash, visit_dash),
    "wsgidav": (wsgidav, visit_wsgidav),
    "flask-admin": (flask_admin, visit_flask_admin),
}


def visit(name: str, stage: str, *, is_set: bool) -> dict[str, int | str]:
    """Return the status of each link, or "outside" for one that leads out of the application."""
    build, look = APPLICATIONS[name]
    root = stage + MOUNT
    ask = asking(build(root if is_set else None), stage)
    return {link: status_of(ask, root, link) for link in look(ask, root)}


def status_of(ask: Ask, root: str, link: str) -> int | str:
    """Return the status at the end of a link and of what it redirects to, or "outside"."""
    url = urljoin(f"https://{HOST}{root}/", link)
    while True:
        target = urlsplit(url)
        if target.netloc != HOST or not f"{target.path}/".startswith(f"{root}/"):
            return "outside"
        response = ask(target._replace(scheme="", netloc="").geturl())
        if "location" not in response.headers:
            return response.status
        url = urljoin(url, response.headers["location"])


if __name__ == "__main__":
    results = [visit(sys.argv[1], stage, is_set=bool(set_)) for stage, set_ in json.load(sys.stdin)]
    json.dump(results, sys.stdout)
