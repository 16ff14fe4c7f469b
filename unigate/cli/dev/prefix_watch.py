"""Warn if all requests below a prefix are a 404: the application may not expect the prefix."""

from __future__ import annotations

import copy
import logging

from unigate import Gateway, Request

_log = logging.getLogger("unigate")

ENOUGH = 3  # an application without "/" and /favicon.ico answers two by chance

_ADVICE = {
    "asgi": (
        "If the application ignores root_path, wrap it: unigate.without_prefix(application). If it "
        "puts root_path before its path, add keep_root_path=False."
    ),
    "wsgi": (
        "If the application puts SCRIPT_NAME before its path, wrap it: "
        "unigate.without_prefix(application, keep_root_path=False)."
    ),
}


class PrefixWatch:
    """Counts the 404s of applications by prefix, until one answers anything else."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._only_404: dict[str, int] = {}

    def note(self, request: Request, status: int) -> None:
        """Note the status of an answered request; log a warning if it is the last 404 of enough."""
        mount = self._gateway.route(copy.copy(request))
        if mount is None:
            return
        prefix = request.root_path + mount.prefix
        count = self._only_404.get(prefix, 0)
        if not prefix or count > ENOUGH:
            return
        count = self._only_404[prefix] = count + 1 if status == 404 else ENOUGH + 1
        if count == ENOUGH:
            _log.warning(
                "All %d requests below %s were a 404. %s",
                count,
                prefix,
                _ADVICE[mount.interface],
            )
