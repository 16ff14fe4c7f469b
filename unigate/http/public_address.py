"""The public address of an application: the scheme, host and path under which clients see it.

`PublicURL` is what the deployer says. The rest is what an event of API Gateway shows of the path:

On an API's own domain, a named stage is the first segment of the path that clients see. On a custom
domain its mapping stands there instead. The event of a REST API has the path without the stage, and
beside it the path that clients see, in `requestContext.path`. An HTTP API with payload 2.0 keeps
the stage at the start of the path, even on a custom domain, and does not name the mapping. With
payload 1.0, its path is what clients see: the stage on the API's own domain, the mapping on others.

Sources: the API Gateway developer guide, "Lambda proxy integrations" and "Payload format
differences"; on custom domains, localstack/localstack pull request 12296 (REST APIs),
CodeGenieApp/serverless-express issue 465 (2.0), and the README of logandk/serverless-wsgi (1.0).
"""

from __future__ import annotations

from typing import Any

from .hosts import is_host, split_host
from .json_values import json_object, json_text
from .urls import raw_path, remove_path_prefix


def is_own_domain(domain: object) -> bool:
    """Return True for the domain that API Gateway gives to an API, in any partition of AWS.

    LocalStack's domains have the same label.
    """
    return isinstance(domain, str) and ".execute-api." in split_host(domain, "https")[0]


def stage_prefix(stage: Any) -> str:
    """Return the path prefix of a stage; "$default" has none."""
    name = json_text(stage)
    return f"/{name}" if name and name != "$default" else ""


def fill_route(route: str, values: Any) -> str:
    """Return the path of a route such as "/users/{id}"; an unknown parameter stays as it is."""
    known = json_object(values)
    filled, *rest = route.split("{")
    for part in rest:
        name, end, text = part.partition("}")
        value = json_text(known.get(name.removesuffix("+"))) if end else None
        filled += "{" + part if value is None else value + text
    return filled


def without_stage(path: str, prefix: str, route: str, *, kept: bool) -> str:
    """Return the path that the application sees below its root path.

    Args:
        path: The path of the event.
        prefix: The prefix of the stage.
        route: The path of the route, with its parameters filled in: API Gateway finds the route
            without the stage, so this shows whether the path begins with it. "" if it is unknown.
        kept: Whether events of this format have the stage in their path. It decides where the
            route does not.
    """
    rest = remove_path_prefix(path, prefix) if prefix else None
    if rest is None or (route and path.rstrip("/") == route.rstrip("/")):
        return path
    return (rest or "/") if kept or (route and rest.rstrip("/") == route.rstrip("/")) else path


def public_root(path: str, seen: str | None, prefix: str, domain: object) -> str:
    """Return the root path: what the path that clients see has in front of the application's.

    Args:
        path: The path that the application sees.
        seen: The path that clients see, None if the event does not have it.
        prefix: The prefix of the stage.
        domain: The domain that clients ask for.
    """
    if prefix and is_own_domain(domain):
        return prefix
    if not seen or ("{" in seen and "{" not in path):  # SAM's local API names the route there
        return ""
    front = seen.removesuffix(path)
    if path == "/":
        front = seen
    elif front == seen:  # another path, such as one that has lost a slash
        begins = [bool(prefix) and remove_path_prefix(p, prefix) is not None for p in (seen, path)]
        front = prefix if begins == [True, False] else ""
    front = front.strip("/")
    return f"/{front}" if front else ""


class PublicURL:
    """The URL at which clients see the root of an application, in parts.

    Args:
        url: Such as "https://www.example.com", or with a path, "https://www.example.com/shop".

    Attributes:
        scheme: "http" or "https".
        host: The host, with the port if the URL has one.
        path: The path as in a request line, without a "/" at its end.

    Raises:
        TypeError: It is not a str.
        ValueError: It is no absolute URL of http or https, or has a query, a fragment or a user.
    """

    def __init__(self, url: str) -> None:
        from urllib.parse import urlsplit  # a fifteenth of a cold start, which few need

        if not isinstance(url, str):
            raise TypeError(f"public_url must be a str, got {url!r}.")
        try:
            scheme, host, path, _, _ = urlsplit(url)
        except ValueError:  # a bracket that is not closed
            scheme = host = path = ""
        if scheme not in ("http", "https") or not is_host(host) or "?" in url or "#" in url:
            raise ValueError(
                'public_url must be a URL such as "https://www.example.com" or '
                f'"https://www.example.com/shop", got {url!r}.{_in_ascii(host)}'
            )
        self.scheme = scheme
        self.host = host
        self.path = raw_path(path).rstrip(b"/")


def _in_ascii(host: str) -> str:
    """Return what to write for a name beyond ASCII, which links have in Punycode (RFC 3492)."""
    if host.isascii():
        return ""
    try:
        return f" Write the host as {host.encode('idna').decode()!r}."
    except UnicodeError:
        return " Write the host in ASCII."
