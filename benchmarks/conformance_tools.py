"""The tools that `conformance.py` compares, each as a function from an event to a reply."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import conformance_apps
from samples import CONTEXT

# What a route of Powertools reads in the event itself, or its application decides.
UNLIKE = (
    r"^path `/(caf|100)|^server|stage|Content-Length|binary body|client.* ALB|X_User|problem|parts"
)
Handler = Callable[[Any], Any]
Make = Callable[[Any], Handler]


@dataclass(frozen=True)
class Tool:
    """A tool for applications of one interface.

    Attributes:
        name: Its name in the table, and that of its package.
        make: Return a handler of an application, or of that in `conformance_apps`; a bridge
            returns an ASGI application.
        source: The source of events, where any will do.
        without: Sources that it does not name among those that it takes; they are not asked.
        unlike: A pattern of the vectors that have no counterpart in it.
    """

    name: str
    make: Make
    source: str = "http_api"
    without: tuple[str, ...] = ()
    unlike: str = "$^"

    @functools.cached_property
    def handler(self) -> Handler:
        """The handler of the application of `conformance_apps`."""
        return self.make(None)


def _unigate(default: Any) -> Make:
    def make(app: Any) -> Handler:
        import unigate

        handler = unigate.wrap(app or default).lambda_handler
        return lambda event: handler(event, CONTEXT)

    return make


def _apig_wsgi(app: Any) -> Handler:
    import apig_wsgi

    handler: Any = apig_wsgi.make_lambda_handler(app or conformance_apps.wsgi, binary_support=True)
    return lambda event: handler(event, CONTEXT)


def _serverless_wsgi(app: Any) -> Handler:
    import serverless_wsgi

    return lambda event: serverless_wsgi.handle_request(
        app or conformance_apps.wsgi, event, CONTEXT
    )


def _aws_wsgi(app: Any) -> Handler:
    import awsgi

    return lambda event: awsgi.response(
        app or conformance_apps.wsgi, event, CONTEXT, base64_content_types={"image/png"}
    )


def _zappa(default: Any) -> Make:
    def make(app: Any) -> Handler:
        settings: Any = ModuleType("zappa_settings")
        settings.application = app or default
        settings.APP_MODULE, settings.APP_FUNCTION = "zappa_settings", "application"
        settings.API_STAGE, settings.PROJECT_NAME, settings.LOG_LEVEL = "prod", "site", "ERROR"
        settings.DEBUG, settings.BINARY_SUPPORT = False, True
        settings.DOMAIN = "localhost"
        settings.BASE_PATH = settings.DJANGO_SETTINGS = None
        settings.EXCEPTION_HANDLER, settings.CONTEXT_HEADER_MAPPINGS = None, {}
        settings.ENVIRONMENT_VARIABLES, settings.AWS_EVENT_MAPPING = {}, {}
        settings.AWS_BOT_EVENT_MAPPING, settings.COGNITO_TRIGGER_MAPPING = {}, {}
        sys.modules["zappa_settings"] = settings
        from zappa.handler import LambdaHandler

        # One handler for a process, unless it is forgotten.
        LambdaHandler._LambdaHandler__instance = None
        made = LambdaHandler()
        return lambda event: made.handler(event, CONTEXT)

    return make


def _mangum(app: Any) -> Handler:
    import mangum

    asyncio.set_event_loop(asyncio.new_event_loop())
    handler: Any = mangum.Mangum(app or conformance_apps.asgi)
    return lambda event: handler(event, CONTEXT)


def _agraffe(app: Any) -> Handler:
    from agraffe import Agraffe
    from agraffe.services import Service

    handler: Any = Agraffe.entry_point(app or conformance_apps.asgi, Service.aws_lambda)
    return lambda event: handler(event, CONTEXT)


def _powertools(app: Any) -> Handler:
    import conformance_powertools

    return lambda event: conformance_powertools.handle(event, CONTEXT)


def _unigate_bridge(app: Any) -> Handler:
    import unigate

    bridged: Any = unigate.wrap(app or conformance_apps.wsgi).asgi
    return bridged  # type: ignore[no-any-return]


def _a2wsgi(app: Any) -> Handler:
    from a2wsgi import WSGIMiddleware

    bridged: Any = WSGIMiddleware(app or conformance_apps.wsgi)
    return bridged  # type: ignore[no-any-return]


def _asgiref(app: Any) -> Handler:
    from asgiref.wsgi import WsgiToAsgi

    bridged: Any = WsgiToAsgi(app or conformance_apps.wsgi)
    return bridged  # type: ignore[no-any-return]


WSGI = [
    Tool("unigate", _unigate(conformance_apps.wsgi)),
    Tool("apig-wsgi", _apig_wsgi),
    Tool("serverless-wsgi", _serverless_wsgi),
    Tool("aws-wsgi", _aws_wsgi, "rest_api", ("http_api", "alb")),
    Tool("zappa", _zappa(conformance_apps.wsgi)),
]
ASGI = [
    Tool("unigate", _unigate(conformance_apps.asgi)),
    Tool("mangum", _mangum),
    Tool("agraffe", _agraffe),
    Tool("zappa", _zappa(conformance_apps.asgi)),
]
BRIDGES = [
    Tool("unigate", _unigate_bridge),
    Tool("a2wsgi", _a2wsgi),
    Tool("asgiref", _asgiref),
]
ROUTES = [
    Tool("unigate", _unigate(conformance_apps.wsgi), unlike=UNLIKE),
    Tool("aws-lambda-powertools", _powertools, unlike=UNLIKE),
]
TOOLS = {"wsgi": WSGI, "asgi": ASGI, "routes": ROUTES, "bridge": BRIDGES}
