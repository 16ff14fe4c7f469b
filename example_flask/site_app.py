"""The Flask application: pages that show a request as the application receives it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from flask import Flask, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from flask_unigate import Unigate
from unigate import RuntimeCache

# Hosts add headers to a request, some of them credentials of the deployment. A public page may show
# the values of these fields only, and the names of all others.
HARMLESS_HEADERS = {
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "dnt",
    "host",
    "priority",
    "referer",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
}

flask_app = Flask(__name__)
flask_app.config["MAX_CONTENT_LENGTH"] = 2**20
Unigate(flask_app)


@flask_app.get("/")
def home() -> str:
    """Show the request for this page."""
    common = request.unigate
    common.wait_until(count_visit, request.runtime_cache)
    client = f"{common.client[0]} port {common.client[1] or 'unknown'}" if common.client else None
    facts = {
        "Source": common.source,
        "Method": common.method,
        "Path": common.path,
        "Raw path": common.raw_path.decode("latin-1"),
        "Query": common.query_string.decode("latin-1"),
        "Root path": common.root_path,
        "Scheme": common.scheme,
        "HTTP version": common.http_version,
        "Server": f"{common.server[0]} port {common.server[1]}",
        "Client": client,
        "Address": request.ip_address,
        "Country": request.geolocation["country"],
        "Visits before": request.runtime_cache.get("visits", 0),
    }
    headers = [
        (name, value if name in HARMLESS_HEADERS or name.startswith("sec-") else None)
        for name, value in common.headers
    ]
    return render_template("home.html", facts=facts, headers=headers, api=api_prefix())


@flask_app.get("/hello/<path:name>")
def hello(name: str) -> str:
    """Show a name from the path, which arrives decoded once."""
    rows = {"Name": name, "Letters": len(name)}
    return render_template("result.html", title=f"Hello, {name}!", rows=rows)


@flask_app.post("/form")
def form() -> str:
    """Show the fields of a form as they arrived."""
    return render_template("result.html", title="Your form arrived", rows=request.form)


@flask_app.post("/cookies")
def cookies() -> AnyResponse:
    """Set two cookies in one response, or delete both and reset the visits."""
    response = redirect(f"{url_for('home')}#cookies", code=303)
    if request.form.get("action") == "forget":
        request.runtime_cache.delete("visits")
        response.delete_cookie("visits")
        response.delete_cookie("flavour")
        return response
    visits = request.cookies.get("visits", 0, type=int) + 1
    for name, value in (("visits", str(visits)), ("flavour", "oatmeal")):
        response.set_cookie(name, value, max_age=3600, httponly=True, samesite="Lax")
    return response


@flask_app.post("/upload")
def upload() -> tuple[str, int] | str:
    """Show the digest of an uploaded file: its bytes must arrive unchanged."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return render_template("result.html", title="No file was chosen", rows={}), 400
    content = file.read()
    rows = {
        "Name": file.filename,
        "Type": file.mimetype,
        "Bytes": len(content),
        "SHA-256": hashlib.sha256(content).hexdigest(),
    }
    return render_template("result.html", title="Your file arrived", rows=rows)


@flask_app.get("/stream")
def stream() -> Response:
    """Send lines one by one; a host that buffers delivers them together."""
    count = min(max(request.args.get("lines", 10, type=int), 1), 20)

    def lines() -> Iterator[str]:
        for number in range(1, count + 1):
            yield f"line {number} of {count}\n"
            time.sleep(0.2)

    # Browsers delay text while they sniff its type.
    return Response(lines(), mimetype="text/plain", headers={"X-Content-Type-Options": "nosniff"})


@flask_app.errorhandler(HTTPException)
def error(problem: HTTPException) -> tuple[str, int]:
    """Show an HTTP error in the design of the other pages."""
    code = problem.code or 500
    rows = {"Status": code, "Path": request.path}
    return render_template("result.html", title=problem.name, rows=rows), code


def count_visit(cache: RuntimeCache) -> None:
    """Count a visit, for a day from the first one; in Redis, over all processes and instances.

    Vercel's cache has no atomic operations: visits at the same time can count as one there.
    """
    cache.add("visits", 0, ttl=24 * 60 * 60)
    cache.incr("visits")


def api_prefix() -> str:
    """Return the path of the FastAPI application, with the path of a stage before it."""
    return f"{request.script_root}/v2"
