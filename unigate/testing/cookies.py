"""The cookies that a test client keeps."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request as UrllibRequest

from unigate.http import Headers


class Cookies(MutableMapping[str, str]):
    """Cookies by name, kept and expired as a browser does it."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._jar = CookieJar(_Policy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))

    def take(self, headers: Headers, url: str) -> None:
        """Store the cookies that a response sets, and drop those that it expires.

        Args:
            headers: The header fields of the response.
            url: The URL of the request.
        """
        response: Any = SimpleNamespace(
            info=lambda: SimpleNamespace(get_all=lambda name, default: headers.getlist(name))
        )
        self._jar.extract_cookies(response, UrllibRequest(url))

    def header(self, url: str) -> str:
        """Return the Cookie header of a request to a URL; "" if no cookie applies."""
        request = UrllibRequest(url)
        self._jar.add_cookie_header(request)
        return str(request.get_header("Cookie", ""))

    def _live(self) -> dict[str, Cookie]:
        return {cookie.name: cookie for cookie in self._jar if not cookie.is_expired()}

    def __getitem__(self, name: str) -> str:
        return self._live()[name].value or ""

    def __setitem__(self, name: str, value: str) -> None:
        """Set a cookie for every path of the base URL's host."""
        self.take(Headers([("set-cookie", f"{name}={value}; Path=/")]), self._base)

    def __delitem__(self, name: str) -> None:
        """Delete all cookies of a name, on every path and domain."""
        del self._live()[name]
        for cookie in list(self._jar):
            if cookie.name == name:
                self._jar.clear(cookie.domain, cookie.path, cookie.name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._live())

    def __len__(self) -> int:
        return len(self._live())

    def __repr__(self) -> str:
        return f"Cookies({dict(self)!r})"


class _Policy(DefaultCookiePolicy):
    """The rules of RFC 6265; by default, `Domain=localhost` is stored but never sent back."""

    def return_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        host = urlsplit(request.full_url).hostname
        return cookie.domain == f".{host}" or super().return_ok_domain(cookie, request)
