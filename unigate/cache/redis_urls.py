"""URLs of Redis servers, clusters and servers behind Sentinels.

The form of a Sentinel URL is that of the packages redis-sentinel-url, limits and docket:
redis+sentinel://[user:password@]host[:port][,host2[:port2]...]/service[/database][?options]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

try:
    from redis.connection import parse_url
except ImportError as error:
    raise ImportError("A cache in Redis needs redis-py: pip install 'unigate[redis]'") from error

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
    scheme, _, rest = url.partition("://")
    transport, _, kind = scheme.lower().replace("valkey", "redis").partition("+")
    where, _, query = rest.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    namespace = pairs.pop("namespace", None)
    pairs.pop("decode_responses", None)  # the cache reads bytes from any connection
    sentinel = {name: value for name, value in pairs.items() if name.startswith("sentinel_")}
    if kind == "sentinel":
        pairs = {name: value for name, value in pairs.items() if name not in sentinel}
    else:
        sentinel = {}
    try:
        if not kind:
            options = _parse_server(f"{transport}://{where}?{urlencode(pairs)}")
            return RedisURL(options, [], None, {}, namespace)
        login, at, place = where.rpartition("@")
        hosts, _, path = place.partition("/")
        service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
        options = _parse_server(f"{transport}://{login}{at}/{database}?{urlencode(pairs)}")
        default = _SENTINEL_PORT if kind == "sentinel" else _PORT
        nodes = [_node(host, default) for host in hosts.split(",")]
    except ValueError as error:
        if "connection URL" in str(error):  # redis-py names the option and not its value
            raise
        # Without the cause: it may quote a part of the password that looks like a port.
        raise ValueError(
            f"The URL of the cache must be {_form(scheme, kind)}, with special characters of the "
            "password percent-encoded; its host or port cannot be read."
        ) from None
    if kind == "cluster":
        return RedisURL(options, nodes, None, {}, namespace)
    if not service:
        raise ValueError(
            f"The URL of the cache must name a service: {_form(scheme, kind)}. It is the name of "
            "the primary in the Sentinels' configuration."
        )
    return RedisURL(
        options, nodes, unquote(service), _sentinel_options(options, sentinel), namespace
    )


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
    return tls | shared | _parse_server(f"redis://?{urlencode(names)}")
