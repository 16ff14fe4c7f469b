"""The extension: `Unigate(app)`, or `Unigate()` and `init_app(app)` in a factory."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from flask import Flask, current_app, has_app_context

from unigate import Deployment, Gateway, UnigateError, wrap

from .commands import command_for
from .request import RequestMixin

# Those of `unigate.wrap`, as UNIGATE_PLATFORM and so on.
_OF_THE_DEPLOYMENT = ("platform", "trusted_proxies", "cache")
SETTINGS = (
    *_OF_THE_DEPLOYMENT,
    *("base_path", "lifespan", "mounts", "on_error", "source", "sources"),
)

_PREFIX = "UNIGATE_"
_GATEWAY = "unigate.gateway"


class Unigate:
    """Extend Flask applications: attributes of `flask.request`, a gateway, `flask unigate`.

    `flask.request` has `unigate` (the common request), `geolocation`, `ip_address`,
    `runtime_cache` and `async_runtime_cache`, behind a gateway and without one. The application's
    own request class is kept: it is extended, and what it defines under these names stays.

    `app.config` may hold the keywords of `unigate.wrap` as UNIGATE_PLATFORM, UNIGATE_CACHE,
    UNIGATE_MOUNTS and so on; they are read once, by `init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with one application, for the factory pattern.

        Set `app.request_class` and the configuration before, not after. Raises ValueError for a
        wrong setting, and RuntimeError when the application has a Unigate extension already.
        """
        if "unigate" in app.extensions:
            raise RuntimeError(
                f"The Flask application {app.name!r} has a Unigate extension already. "
                "Call Unigate(app) or init_app(app) once for each application."
            )
        given = _settings(app)
        gateway = wrap(app, interface="wsgi", **given)
        deployed = {name: given[name] for name in _OF_THE_DEPLOYMENT if name in given}
        own = app.request_class
        members = {
            "__module__": own.__module__,
            "unigate_deployment": Deployment(**deployed) if deployed else None,
        }
        app.request_class = type(own.__name__, (own, RequestMixin), members)
        app.extensions["unigate"] = self
        app.extensions[_GATEWAY] = gateway
        app.cli.add_command(command_for(app, gateway))
        self._apps.add(app)

    @property
    def gateway(self) -> Gateway:
        """The gateway around the application, the same one each time: for servers and platforms.

        Of several applications that have this extension it is the current one's; RuntimeError
        where none is current.
        """
        if has_app_context() and current_app.extensions.get("unigate") is self:
            return _gateway_of(current_app)
        apps = list(self._apps)
        if len(apps) == 1:
            return _gateway_of(apps[0])
        raise RuntimeError(
            f"This Unigate extension has {len(apps)} applications, and none of them is current. "
            "Ask for the gateway after init_app(app), within app.app_context()."
        )


def _gateway_of(app: Flask) -> Gateway:
    """Return the gateway around an application that has the extension."""
    gateway: Gateway = app.extensions[_GATEWAY]
    return gateway


def _settings(app: Flask) -> dict[str, Any]:
    """Return the keywords of `wrap` in the configuration, tried one by one."""
    given: dict[str, Any] = {}
    for key, value in app.config.items():
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX).lower()
        if name not in SETTINGS:
            known = ", ".join(_PREFIX + each.upper() for each in sorted(SETTINGS))
            raise ValueError(f"{key} is no setting of flask_unigate. These are: {known}.")
        if value is None:
            continue
        try:
            wrap(app, interface="wsgi", **{name: value})
        except (AttributeError, TypeError, ValueError, UnigateError) as error:
            # Without the value, which may be a URL with a password.
            raise ValueError(f"{key} in the configuration is wrong: {error}") from error
        given[name] = value
    return given
