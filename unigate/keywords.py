"""What to write in place of arguments that `unigate.wrap` does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .nearest import nearest

_ALWAYS = "leave it out: responses that are not text are sent as base64 by themselves"

# The options of other gateways and servers: Mangum 0.22, apig-wsgi 2.20, serverless-wsgi 3.1,
# aws-wsgi 0.2, uvicorn, and Zappa's settings.
_ELSEWHERE = {
    "api_gateway_base_path": "write base_path=...",
    "app": "pass it first, without a name",
    "application": "pass it first, without a name",
    "app_function": 'pass it first: wrap("package.module:attribute")',
    "authorizer": 'register its function: app.on_event("authorizer")(function)',
    "base64_content_types": _ALWAYS,
    "binary_mime_types": _ALWAYS,
    "binary_support": _ALWAYS,
    "custom_handlers": "write sources=[...], event sources of your own",
    "decorators": "write around=[...]",
    "django_settings": 'pass the application first: wrap("project.wsgi:application")',
    "enable_lifespan": 'write lifespan="on" or lifespan="off"',
    "environment_variables": "set them in the settings of the function",
    "events": "register a function for each: app.on_event(kind, ...)(function)",
    "exception_handler": "write around=[...], a decorator that catches what the handler raises",
    "exclude_headers": "drop header fields in a middleware of the application",
    "forwarded_allow_ips": "write trusted_proxies=...",
    "keep_warm": "leave it out, and let a rule of EventBridge send the events",
    "middleware": "wrap the application with it first; decorators of events are around=[...]",
    "non_binary_content_type_prefixes": "write text_types=[...]",
    "proxy_headers": "write trusted_proxies=...",
    "remote_env": "set os.environ from it before the application is imported",
    "root_path": (
        "write base_path=... for a prefix that the host leaves on the path, public_url=... for one "
        "that it removes"
    ),
    "strip_stage_path": 'write stage="strip"',
    "text_mime_types": "write text_types=[...]",
}


def unknown_keywords(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Return the message of the TypeError for keywords that are not known."""
    return " ".join(_advice(name, sorted(known)) for name in unknown)


def _advice(name: str, known: list[str]) -> str:
    advice = _ELSEWHERE.get(name)
    if advice is None:
        near = nearest(name, known)
        advice = f"did you mean {near}=...?" if near else f"it has {', '.join(known)}"
    return f"wrap() has no argument {name!r}: {advice}{'' if advice.endswith('?') else '.'}"


def unnamed_arguments(more: tuple[object, ...]) -> str:
    """Return the message of the TypeError for arguments after the application without a keyword."""
    if isinstance(more[0], Mapping):
        advice = "Applications by prefix are a keyword: wrap(application, mounts={...})."
    else:
        advice = 'Others are mounted at a prefix: wrap(application, mounts={"/v2": other}).'
    return f"wrap() takes one application without a keyword, got {1 + len(more)}. {advice}"
