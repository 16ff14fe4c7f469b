"""What to write in place of arguments and attributes that other test clients have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unigate.gateway import wrap
from unigate.nearest import nearest

_RAISE = 'wrap the application with on_error="raise"'
_NO_NETWORK = "leave it out: nothing is sent over a network"
_ADDRESS = 'the client of all requests is Client(..., client=("203.0.113.9", 50000))'
_OF_WRAP = "write unigate.wrap(app, {}=...), and pass what it returns"

# Arguments of Flask's, Django's and Starlette's test clients, of requests, and of httpx's clients.
_ARGUMENTS = {
    "allow_redirects": "write follow_redirects=...",
    "body": "write content=...",
    "client": _ADDRESS,
    "content_type": 'write headers={"Content-Type": ...}',
    "environ_base": _ADDRESS,
    "environ_overrides": _ADDRESS,
    "follow": "write follow_redirects=...",
    "form": "write data=...",
    "format": "write json=... or data=...",
    "query_params": "write params=...",
    "query_string": "write params=...",
    "remote_addr": _ADDRESS,
    "secure": "the scheme is that of the URL, https by default",
    "stream": 'write client.stream("GET", url)',
    **dict.fromkeys(("proxies", "proxy", "verify", "cert"), _NO_NETWORK),
}
_ARGUMENTS_OF_CLIENTS = {
    **_ARGUMENTS,
    **{name: _OF_WRAP.format(name) for name in wrap.__kwdefaults__ or ()},
    "backend": "leave it out: the application runs on the event loop that unigate has",
    "root_path": "write unigate.wrap(app, base_path=...), or mounts={...}",
    "transport": "its transport asks the host; write httpx.Client(transport=HostTransport(app))",
    "trust_env": "leave it out: no setting of the environment is read",
    **dict.fromkeys(("raise_request_exception", "raise_server_exceptions"), _RAISE),
    **dict.fromkeys(("http1", "http2", "limits"), _NO_NETWORK),
}

RESPONSE_ATTRIBUTES = {
    "body": "write response.content",
    "data": "write response.content, or response.json()",
    "get_data": "write response.content or response.text",
    "get_json": "write response.json()",
    "mimetype": 'write response.headers["content-type"]',
    "status": "write response.status_code",
}
CLIENT_ATTRIBUTES = {
    "open": "write client.request(method, url)",
    "session_transaction": "a host sees cookies only: client.cookies",
    "websocket_connect": "it sends no WebSockets; use the test client of the framework",
}


def check_options(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for keywords that a request does not have, with what to write instead."""
    _check("A request", given, sorted(known), _ARGUMENTS)


def check_client_options(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for keywords that a client does not have, with what to write instead."""
    _check("A test client", given, sorted(known), _ARGUMENTS_OF_CLIENTS)


def _check(
    what: str, given: Iterable[str], known: list[str], counterparts: Mapping[str, str]
) -> None:
    for name in given:
        if name in known:
            continue
        advice = counterparts.get(name.lower())
        if name.startswith("HTTP_"):  # Django's
            advice = f'write headers={{"{name[5:].replace("_", "-").title()}": ...}}'
        if advice is None:
            near = nearest(name, known)
            advice = f"did you mean {near}=...?" if near else f"it has {', '.join(known)}"
        end = "" if advice.endswith("?") else "."
        raise TypeError(f"{what} has no argument {name!r}: {advice}{end}")


def no_attribute(owner: object, name: str, counterparts: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that an object does not have."""
    advice = counterparts.get(name)
    more = f": {advice}." if advice else ""
    message = f"{type(owner).__name__!r} object has no attribute {name!r}{more}"
    return AttributeError(message, name=name, obj=owner)
