"""Access to the page: only browsers on this machine, and for actions only the page itself.

It shows secrets and sends requests, so it must be out of reach of other machines, and of other
sites in a local browser. Sources: OWASP, "Cross-Site Request Forgery Prevention", "Verifying Origin
With Standard Headers"; the Fetch standard, "Origin header".
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from unigate.client.addresses import parse
from unigate.types import Environ

# A tunnel or proxy on this machine connects locally on behalf of remote clients.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")


def refusal(environ: Environ) -> str:
    """Return why a request to the page must be refused, or ""."""
    host = environ.get("HTTP_HOST", "")
    if not _is_here(environ.get("REMOTE_ADDR")) or any(map(environ.get, _FORWARDED)):
        return "Open this page in a browser on the machine that runs `unigate dev`."
    # Another site may let its own host name resolve to this machine (DNS rebinding).
    if not _is_local(host):
        return "Open this page at localhost or 127.0.0.1."
    # Browsers send Origin with every POST, even in insecure contexts, where Sec-Fetch-Site is
    # missing. So a POST without it is refused as well.
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD") and (
        environ.get("HTTP_ORIGIN") != f"{environ['wsgi.url_scheme']}://{host}"
    ):
        return "Only the page itself may send this request."
    return ""


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_here(name)


def _is_here(address: str | None) -> bool:
    parsed = parse(address)
    return parsed is not None and ip_address(parsed).is_loopback
