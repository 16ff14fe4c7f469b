"""The public address of a request, where the deployer says more of it than an event shows."""

from __future__ import annotations

from typing import Any, Literal

from .deployment import Deployment
from .http import decode_path, json_object, quote_path, raw_path, remove_path_prefix, split_host
from .http.public_address import PublicURL, stage_prefix
from .request import Request

Stage = Literal["auto", "keep", "strip", "ignore"]
"""What a named stage of API Gateway is to clients; see `unigate.wrap`."""

# The sources that have stages.
_STAGED = ("http_api", "rest_api", "lambda_integration")


class Placement:
    """Gives requests the address under which clients see the application.

    Args:
        deployment: Its proxies name scheme and host, unless there is a `public_url`.
        public_url: The whole address: scheme, host and root path.
        stage: What is said of the stage.
        base_path: The prefix that the host leaves on the path. With "auto", it decides before the
            stage of the same name.
    """

    def __init__(
        self, deployment: Deployment, public_url: str | None, stage: Stage, base_path: str
    ) -> None:
        self._deployment = deployment
        self._url = PublicURL(public_url) if public_url is not None else None
        self._stage = stage
        self._base_path = base_path

    def __call__(self, request: Request) -> bool:
        """Change the scheme, Host, server, path and root path of a request.

        Returns:
            Whether anything has changed; that of an event's stage is not counted.
        """
        if request.source in _STAGED:
            if self._stage != "auto":
                _place_stage(request, self._stage)
            elif self._base_path and self._begins_with_stage(request):
                _place_stage(request, "ignore")
        if self._url is not None:
            _set_origin(request, self._url.scheme, self._url.host)
            self._place_below(request, self._url.path)
            return True
        if self._deployment.names_origin:
            from .client.trust import evidence_of  # a tenth of a cold start, which few need

            origin = self._deployment.trust.origin(evidence_of(request))
            if origin is not None:
                _set_origin(request, origin.scheme, origin.host)
                return True
        return False

    def _begins_with_stage(self, request: Request) -> bool:
        """Return True if the base path is on the path of the event only with the stage on it.

        It begins with the stage's name then, as the mapping of a custom domain may.
        """
        given = _path_of(json_object(request.event))
        below = decode_path(_path_below(request))
        return (
            given is not None
            and remove_path_prefix(given, self._base_path) is not None
            and remove_path_prefix(below, self._base_path) is None
        )

    def _place_below(self, request: Request, root: bytes) -> None:
        """Replace everything in front of the application's own path by a root path."""
        path = _path_below(request)
        rest = remove_path_prefix(path.decode("latin-1"), self._base_path)
        if rest is not None:
            path = rest.encode("latin-1") or b"/"
        # What is in front may have removed the root path, or not.
        if remove_path_prefix(path.decode("latin-1"), root.decode("ascii")) is None:
            path = root + path
        request.move(path, decode_path(root) if root else "")


def _place_stage(request: Request, stage: Stage) -> None:
    event = json_object(request.event)
    about = json_object(event.get("requestContext"))
    prefix = stage_prefix(about.get("stage") or event.get("stage"))
    if not prefix or request.root_path not in ("", prefix):
        return
    path = _path_below(request)
    if stage == "keep":
        request.move(raw_path(prefix) + path, prefix)
    elif stage == "strip":
        request.move(path, "")
    else:
        given = _path_of(event)
        rest = remove_path_prefix(given, prefix) if given is not None else None
        if rest is not None and path in (quote_path(rest or "/"), raw_path(rest or "/")):
            path = raw_path(prefix) + path
        request.move(path, "")


def _path_of(event: dict[str, Any]) -> str | None:
    """Return the path in an event, which may have the stage; None if there is none."""
    given = event.get("rawPath") or event.get("path")
    return given if isinstance(given, str) else None


def _path_below(request: Request) -> bytes:
    """Return the raw path of a request below its root path."""
    rest = remove_path_prefix(request.raw_path.decode("latin-1"), request.root_path)
    if rest is not None:
        return rest.encode("latin-1") or b"/"
    rest = remove_path_prefix(request.path, request.root_path)  # the raw one has it encoded
    return request.raw_path if rest is None else quote_path(rest or "/")


def _set_origin(request: Request, scheme: str | None, host: str) -> None:
    if scheme is not None:
        socket = request.scheme in ("ws", "wss")
        request.scheme = scheme.replace("http", "ws") if socket else scheme
    request.headers.set("host", host)
    request.server = split_host(host, request.scheme)
