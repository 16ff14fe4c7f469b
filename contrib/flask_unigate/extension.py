"""The Flask extension: `Unigate(app)`, or `Unigate()` and `init_app(app)` in a factory."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from flask import Flask, current_app, has_app_context

from unigate import Deployment, Gateway, UnigateError, wrap
from unigate.nearest import did_you_mean

from .applications import check_application
from .commands import command_for
from .request import RemoteAddr, RequestMixin

# The keywords of `unigate.wrap`, in the configuration as UNIGATE_PLATFORM and so on.
_DEPLOYMENT_SETTINGS = ("platform", "trusted_proxies", "cache")
SETTINGS = (
    *_DEPLOYMENT_SETTINGS,
    *("around", "base_path", "lifespan", "mounts", "on_error", "public_url", "source", "sources"),
    *("stage", "text_types"),
)

# The one setting that is not of `wrap`.
REMOTE_ADDR = "remote_addr"

_PREFIX = "UNIGATE_"
_GATEWAY = "unigate.gateway"


class Unigate:
    """Extend Flask applications with attributes of `flask.request`, a gateway and a command.

    The attributes are `unigate` (the common request), `geolocation`, `ip_address`, `runtime_cache`
    and `async_runtime_cache`, with a gateway and without one. The application's request class is
    extended; attributes that it defines under these names stay. The command is `flask unigate`.

    `app.config` may have the keywords of `unigate.wrap` as UNIGATE_PLATFORM, UNIGATE_CACHE,
    UNIGATE_MOUNTS and so on. With UNIGATE_REMOTE_ADDR, REMOTE_ADDR and `request.remote_addr` are
    `request.ip_address`. `init_app` reads the configuration once.

    Args:
        app: The application to extend; None for the factory pattern, with `init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Extend an application.

        Set `app.request_class` and the configuration before this call, not after it.

        Raises:
            TypeError: It is no Flask application.
            ValueError: A setting is unknown or invalid.
            RuntimeError: The application already has a Unigate extension.
        """
        check_application("Unigate", app)
        if "unigate" in app.extensions:
            raise RuntimeError(
                f"The Flask application {app.name!r} already has a Unigate extension. "
                "Call Unigate(app) or init_app(app) only once for each application."
            )
        settings = _settings(app)
        sets_remote_addr = settings.pop(REMOTE_ADDR, False)
        gateway = wrap(app, interface="wsgi", **settings)
        deployment = {name: settings[name] for name in _DEPLOYMENT_SETTINGS if name in settings}
        own = app.request_class
        members = {
            "__module__": own.__module__,
            "unigate_deployment": Deployment(**deployment) if deployment else None,
        }
        bases = (RemoteAddr, own, RequestMixin) if sets_remote_addr else (own, RequestMixin)
        app.request_class = type(own.__name__, bases, members)
        app.extensions["unigate"] = self
        app.extensions[_GATEWAY] = gateway
        app.cli.add_command(command_for(app, gateway))
        self._apps.add(app)

    @property
    def gateway(self) -> Gateway:
        """The gateway around the application, for servers and platforms; always the same object.

        With several applications, it is the gateway of the current one.

        Raises:
            RuntimeError: The extension has no application, or several and none of them is current.
        """
        if has_app_context() and current_app.extensions.get("unigate") is self:
            return _gateway_of(current_app)
        apps = list(self._apps)
        if len(apps) == 1:
            return _gateway_of(apps[0])
        raise RuntimeError(
            f"This Unigate extension has {len(apps)} applications, and none of them is current. "
            "Read the gateway after init_app(app), within app.app_context()."
        )


def _gateway_of(app: Flask) -> Gateway:
    gateway: Gateway = app.extensions[_GATEWAY]
    return gateway


def _settings(app: Flask) -> dict[str, Any]:
    """Return the keywords of `wrap` from the configuration, each validated by itself."""
    settings: dict[str, Any] = {}
    for key, value in app.config.items():
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX).lower()
        if name == REMOTE_ADDR:
            if not isinstance(value, bool | None):
                raise ValueError(f"{key} in app.config must be True or False, got {value!r}.")
            settings[name] = bool(value)
            continue
        if name not in SETTINGS:
            valid = [_PREFIX + setting.upper() for setting in sorted((*SETTINGS, REMOTE_ADDR))]
            raise ValueError(
                f"{key} is not a setting of flask_unigate. Use one of {', '.join(valid)}."
                f"{did_you_mean(key, valid)}"
            )
        if value is None:
            continue
        try:
            wrap(app, interface="wsgi", **{name: value})
        except (AttributeError, TypeError, ValueError, UnigateError) as error:
            # Without the value, which may be a URL with a password.
            raise ValueError(f"{key} in app.config is invalid: {error}") from error
        settings[name] = value
    return settings
