"""URLs of Redis servers, clusters and servers behind Sentinels.

The form of a Sentinel URL is that of the packages redis-sentinel-url, limits and docket:
redis+sentinel://[user:password@]host[:port][,host2[:port2]...]/service[/database][?options]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

try:
    from redis.connection import parse_url
except ImportError as error:
    raise ImportError('A cache in Redis needs redis-py: pip install "unigate[redis]"') from error

Node = tuple[str, int]
"""A host and a port."""

_PORT, _SENTINEL_PORT = 6379, 26379

_parse_server: Callable[[str], dict[str, Any]] = parse_url


class RedisURL(NamedTuple):
    """A URL in its parts."""

    options: dict[str, Any]
    """Arguments of redis-py's connection pool: credentials, database, timeouts, TLS."""

    nodes: list[Node]
    """The nodes of a cluster that the URL names, or the Sentinels; empty for a single server."""

    service: str | None
    """The name under which the Sentinels know the primary."""

    sentinel_options: dict[str, Any]
    """Arguments of redis-py's client of a Sentinel."""

    namespace: str | None


def parse(url: str) -> RedisURL:
    """Split a URL.

    Raises:
        ValueError: The URL is malformed. The message does not contain the password.
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        raise ValueError("The URL of the cache must have :// behind its scheme.")
    transport, _, kind = scheme.lower().replace("valkey", "redis").partition("+")
    where, _, query = rest.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    if any("@" in name for name in pairs):
        raise ValueError(
            "The URL of the cache must have special characters of the password percent-encoded: "
            "a ? in it begins the options."
        )
    namespace = pairs.pop("namespace", None)
    pairs.pop("decode_responses", None)  # the cache reads bytes from any connection
    sentinel = {name: value for name, value in pairs.items() if name.startswith("sentinel_")}
    if kind == "sentinel":
        pairs = {name: value for name, value in pairs.items() if name not in sentinel}
    else:
        sentinel = {}
    try:
        if not kind:
            _check_place(transport, where)
            options = _checked(_parse_server(f"{transport}://{where}?{urlencode(pairs)}"))
            return RedisURL(options, [], None, {}, namespace)
        login, at, place = where.rpartition("@")
        if "/" in login:
            raise ValueError("A part of the password would be a path.")
        hosts, _, path = place.partition("/")
        service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
        _check_database(database)
        options = _checked(
            _parse_server(f"{transport}://{login}{at}/{database}?{urlencode(pairs)}")
        )
        default = _SENTINEL_PORT if kind == "sentinel" else _PORT
        nodes = [_node(host, default) for host in hosts.split(",")]
    except ValueError as error:
        if "connection URL" in str(error) or "URL of the cache" in str(error):
            raise  # it names the option and not its value
        # Without the cause: it may quote a part of the password that looks like a port.
        raise ValueError(
            f"The URL of the cache must be {_form(scheme, kind)}, with special characters of the "
            "password percent-encoded; its host, port or path cannot be read."
        ) from None
    if kind == "cluster":
        if options.get("db"):
            raise ValueError("The URL of the cache must name no database: a cluster has only 0.")
        return RedisURL(options, nodes, None, {}, namespace)
    if not service:
        raise ValueError(
            f"The URL of the cache must name a service: {_form(scheme, kind)}. It is the name of "
            "the primary in the Sentinels' configuration."
        )
    return RedisURL(
        options, nodes, unquote(service), _sentinel_options(options, sentinel), namespace
    )


def _check_place(transport: str, where: str) -> None:
    """Raise ValueError for a place that redis-py would read in a part, such as of the password."""
    host, _, path = where.partition("/")
    is_socket = transport == "unix"
    # The path of a socket can have an @, too, but where there is a password it may be of that.
    if "@" in path and (host or not is_socket):
        raise ValueError("A part of the password would be a path.")
    if not is_socket:
        _check_database(path)
    elif not path or (host and not host.endswith("@")):
        raise ValueError(
            "The URL of the cache must name a socket by its absolute path: unix:///path."
        )


def _check_database(path: str) -> None:
    if (name := unquote(path).strip("/")) and not (name.isascii() and name.isdigit()):
        raise ValueError("The URL of the cache must have a number as its database.")


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return options, or raise ValueError for one that redis-py fails with later."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        seconds = options.get(name)
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(
                f"The URL of the cache has a wrong option: {name} must be a number of seconds "
                f"above 0, got {seconds!r}."
            )
    return options


def _form(scheme: str, kind: str) -> str:
    ends = {"sentinel": ",host2:port/service/database", "cluster": ",host2:port"}
    return f"{scheme}://user:password@host:port{ends.get(kind, '/database')}"


def _node(text: str, default: int) -> Node:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("A host is missing.")
    return parts.hostname, parts.port or default


def _sentinel_options(options: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    """Return the options of clients of the Sentinels: those of time and TLS are shared."""
    shared = {
        name: value for name, value in options.items() if name.startswith(("socket_", "ssl_"))
    }
    names = {name.removeprefix("sentinel_"): value for name, value in own.items()}
    tls = {"ssl": True} if "connection_class" in options else {}
    return tls | shared | _checked(_parse_server(f"redis://?{urlencode(names)}"))
