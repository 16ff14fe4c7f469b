"""The environ of a WSGI application (PEP 3333): built for a request of any host."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .http.headers import is_token, latin1
from .http.urls import remove_path_prefix, unquote
from .memo import Memo

if TYPE_CHECKING:
    from .http.hosts import Address
    from .request import Request
    from .types import Environ

# Copied for each request: what is None here is set then.
_MEMBERS: Environ = {
    "REQUEST_METHOD": None,
    "SCRIPT_NAME": None,
    "PATH_INFO": None,
    "QUERY_STRING": None,
    "SERVER_NAME": None,
    "SERVER_PORT": None,
    "SERVER_PROTOCOL": None,
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": None,
    "wsgi.input": None,
    "wsgi.input_terminated": True,  # reading ends with the body, not with Content-Length
    "wsgi.errors": None,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "unigate.request": None,
}
_OF_EVENTS = (
    *("apig_wsgi.full_event", "apig_wsgi.context", "apig_wsgi.request_context"),
    *("serverless.event", "serverless.context", "serverless.authorizer"),
    *("lambda.event", "lambda.context", "awsgi.event", "awsgi.context"),
)
# Made in two steps, because CPython then gives the dict and its copies room for a request's header
# fields: without it each copy grows, which costs as much as the members of events.
_WITH_EVENT: Environ = {**_MEMBERS, **dict.fromkeys(_OF_EVENTS[:4])}
_WITH_EVENT.update(_MEMBERS | dict.fromkeys(_OF_EVENTS))


def build_environ(request: Request, root_path: str, stream: Any) -> Environ:
    """Build the environ of a request for an application mounted at `root_path` (PEP 3333).

    Repeated header fields are joined. Fields with "_" in their name are dropped, as nginx does: in
    an environ they would look like the ones with "-". So are names that are not tokens: in upper
    case they could look like others.

    An event that is a dict, and its context, are also there under the names that they have in
    apig-wsgi, aws-wsgi, serverless-wsgi and Zappa, for applications that read them.

    Args:
        stream: The file-like object for `wsgi.input`.
    """
    raw = request.raw_path
    path = _known_path(raw) or _PATHS.learn(raw)
    script = root_path
    if root_path:
        if not root_path.isascii():
            script = root_path.encode("utf-8").decode("latin-1")
        rest = remove_path_prefix(path, script)
        if rest is not None:
            path = rest or path_of_root(request, root_path)
    name, port = _known_name(request.server) or SERVER_NAMES.learn(request.server)
    version = request.http_version
    event = request.event
    if type(event) is dict:
        environ = _WITH_EVENT.copy()
        context = request.context
        environ["apig_wsgi.full_event"] = environ["awsgi.event"] = event
        environ["serverless.event"] = environ["lambda.event"] = event
        environ["apig_wsgi.context"] = environ["awsgi.context"] = context
        environ["serverless.context"] = environ["lambda.context"] = context
        about = environ["apig_wsgi.request_context"] = event.get("requestContext")
        if request.identify is not None and type(about) is dict:
            environ["serverless.authorizer"] = about.get("authorizer")
    else:
        environ = _MEMBERS.copy()
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = script
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = request.query_string.decode("latin-1")
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if version == "1.1" else f"HTTP/{version}"
    environ["wsgi.url_scheme"] = request.scheme
    environ["wsgi.input"] = stream
    environ["wsgi.errors"] = sys.stderr
    environ["unigate.request"] = request
    client = request.client
    if client:
        environ["REMOTE_ADDR"] = client[0]
        if client[1]:
            environ["REMOTE_PORT"] = str(client[1])
    if request.identify is not None:
        identity = request.identity
        if identity and identity.user:
            environ["REMOTE_USER"] = latin1(identity.user)
    fields = request.headers.single
    if fields is None:
        fields = request.headers.as_map(",")
    try:
        for name, value in fields.items():
            environ[_KNOWN_KEYS[name]] = value
    except KeyError:
        for name, value in fields.items():
            if "_" not in name and is_token(name):
                environ[_KEYS.get(name) or _KEYS.learn(name)] = value
    return environ


def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_KEYS = Memo(_environ_key, 1000)
_KNOWN_KEYS = _KEYS.known


def _path(raw: bytes) -> str:
    return unquote(raw).decode("latin-1")


_PATHS = Memo(_path)
_known_path = _PATHS.get


def _server(server: Address) -> tuple[str, str]:
    host, port = server
    return f"[{host}]" if ":" in host else host, str(port)


SERVER_NAMES = Memo(_server)
"""SERVER_NAME and SERVER_PORT by host and port."""
_known_name = SERVER_NAMES.get


def path_of_root(request: Request, root_path: str) -> str:
    """Return the PATH_INFO of the URL that an application is mounted at.

    It is empty for a mount: the application redirects to "/" below it (PEP 3333). The URL of a
    stage or a base path is that of the whole function, whose path is never empty.
    """
    return "/" if root_path == request.root_path else ""
