"""The cookies that a test client keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request as UrllibRequest

import httpx


class Cookies(httpx.Cookies):
    """Cookies by name, kept, sent and expired as a browser does it (RFC 6265).

    A cookie that is set without a domain belongs to the host of the base URL alone.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(_Jar(base_url))

    def header(self, url: str) -> str:
        """Return the Cookie header of a request to a URL; "" if no cookie applies."""
        request = UrllibRequest(url)
        self.jar.add_cookie_header(request)
        return str(request.get_header("Cookie", ""))

    def get(  # type: ignore[override]
        self,
        name: str,
        default: str | None = None,
        domain: str | None = None,
        path: str | None = None,
    ) -> str | None:
        """Return a cookie, the last one if a name has several on different paths or domains."""
        found = [
            cookie
            for cookie in self.jar
            if cookie.name == name
            and domain in (None, cookie.domain)
            and path in (None, cookie.path)
        ]
        return found[-1].value or "" if found else default

    def update(  # type: ignore[override]
        self,
        cookies: Mapping[str, str] | Iterable[tuple[str, str]] | CookieJar | None = None,
        **more: str,
    ) -> None:
        """Set cookies, given as httpx takes them or as keywords."""
        if isinstance(cookies, (httpx.Cookies, CookieJar)):
            super().update(cookies)  # with their domains and paths
        else:
            super().update({**dict(pairs_of("cookies", cookies)), **more})

    def __delitem__(self, name: str) -> None:
        """Delete all cookies of a name, on every path and domain; KeyError if there is none."""
        self[name]
        self.delete(name)


def pairs_of(name: str, given: Any) -> Iterable[tuple[Any, Any]]:
    """Return what was given as a mapping, as pairs or as None; TypeError for text."""
    if isinstance(given, (str, bytes)):
        raise TypeError(f'{name} must be a dict or pairs, such as {{"a": "b"}}, got {given!r}.')
    return given.items() if isinstance(given, Mapping) else given or ()


class _Jar(CookieJar):
    """A jar without expired cookies, where each cookie has a domain."""

    def __init__(self, base_url: str) -> None:
        super().__init__(_Policy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
        host = urlsplit(base_url).hostname or ""
        self._host = host if "." in host else f"{host}.local"  # http.cookiejar's name of such hosts

    def set_cookie(self, cookie: Cookie) -> None:
        if not cookie.domain:
            cookie.domain = self._host
        super().set_cookie(cookie)

    def __iter__(self) -> Iterator[Cookie]:
        return (cookie for cookie in super().__iter__() if not cookie.is_expired())


class _Policy(DefaultCookiePolicy):
    """The rules of RFC 6265; by default, a cookie of the domain "localhost" is never sent."""

    def return_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        host = urlsplit(request.full_url).hostname
        return cookie.domain in (host, f".{host}") or super().return_ok_domain(cookie, request)
