"""Access to the page: only browsers on this machine that were given the token.

The page shows secrets and sends requests, so it must be out of reach of other machines, and of
other sites in a local browser. A tunnel makes remote clients look local, and may pass any Host;
therefore the page also asks for a token, which is in the address that `unigate dev` prints. A
cookie remembers it.

Sources: OWASP, "Cross-Site Request Forgery Prevention", "Verifying Origin With Standard Headers";
the Fetch standard, "Origin header"; W3C, "Fetch Metadata Request Headers"; RFC 6265bis, "SameSite".
"""

from __future__ import annotations

import re
from hmac import compare_digest
from ipaddress import ip_address

from werkzeug.wrappers import Request, Response

from unigate.client.addresses import parse
from unigate.types import Environ

# A tunnel or proxy on this machine connects locally on behalf of remote clients.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", re.IGNORECASE)


class Access:
    """The rules of access to the page.

    Args:
        token: The secret in the printed address.
        root: The path of the page.
        address: The address and port that the server listens on.
        name: The name by which the user knows that address, from the command line.
    """

    def __init__(self, token: str, root: str, address: tuple[str, int], name: str = "") -> None:
        self._token = token
        self._root = root
        self._address = address[0]
        # The cookies of a host are common to all of its ports.
        self._cookie = f"unigate-{address[1]}"
        names = ("localhost", "127.0.0.1", "::1", address[0], name.lower())
        self._names = {f"[{name}]" if ":" in name else name for name in names}

    def refusal(self, environ: Environ) -> str:
        """Return why a request must be refused whether or not it has the token, or ""."""
        host = environ.get("HTTP_HOST", "")
        if not self._is_here(environ.get("REMOTE_ADDR")) or any(map(environ.get, _FORWARDED)):
            return "Open this page in a browser on the machine that runs `unigate dev`."
        # Another site may let its own host name resolve to this machine (DNS rebinding).
        name = _HOST.fullmatch(host)
        if name is None or name[1].lower() not in self._names:
            return "Open this page at localhost or 127.0.0.1."
        # Other sites may neither show the page, nor ask for a part of it, an image for example.
        if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
            return "Only the page itself may send this request. Enter its address in the browser."
        # Browsers send Origin with every POST, even in insecure contexts, where Sec-Fetch-Site is
        # missing. So a POST without it is refused as well.
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") and (
            environ.get("HTTP_ORIGIN") != f"{environ['wsgi.url_scheme']}://{host}"
        ):
            return "Only the page itself may send this request."
        return ""

    def entry(self, request: Request) -> Response | None:
        """Answer a request that is not let in yet; None for one with the cookie.

        A browser that has the token gets the cookie, and an address without the token.
        """
        if any(map(self._is_token, request.cookies.getlist(self._cookie))):
            if "token" not in request.args:
                return None
        elif not any(map(self._is_token, request.args.getlist("token"))):
            problem = "Open the address of this page that `unigate dev` has printed at its start."
            return Response(problem, 403)
        response = Response(status=303, headers={"Location": f"{self._root}/"})
        response.set_cookie(
            self._cookie, self._token, path=self._root, httponly=True, samesite="Strict"
        )
        return response

    def _is_token(self, value: str) -> bool:
        return compare_digest(value.encode("utf-8", "replace"), self._token.encode())

    def _is_here(self, address: str | None) -> bool:
        parsed = parse(address)
        return parsed is not None and (ip_address(parsed).is_loopback or parsed == self._address)
