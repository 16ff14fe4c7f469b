"""Who may look at the page, and make it act: a browser of this machine, from the page itself.

It shows secrets and sends requests, so it has to be kept from other machines and from other sites
in a browser here. OWASP, "Cross-Site Request Forgery Prevention", "Verifying Origin With Standard
Headers"; the Fetch standard, "Origin header".
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from unigate.client.addresses import parse
from unigate.types import Environ

# A tunnel or proxy on this machine connects from it, for people who are elsewhere.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")


def refusal(environ: Environ) -> str:
    """Return why a request to the page is refused, "" for one that is not."""
    host = environ.get("HTTP_HOST", "")
    if not _is_here(environ.get("REMOTE_ADDR")) or any(map(environ.get, _FORWARDED)):
        return "This page is for browsers on the machine that it runs on."
    # Another site may have its own name resolve to this machine (DNS rebinding).
    if not _is_local(host):
        return "This page is at localhost or 127.0.0.1 only."
    # Every browser sends it with a POST, in contexts that are not secure too, where there is no
    # Sec-Fetch-Site; so what comes without is refused as well.
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD") and (
        environ.get("HTTP_ORIGIN") != f"{environ['wsgi.url_scheme']}://{host}"
    ):
        return "Only the page itself may ask for this."
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
