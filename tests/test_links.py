"""Links and redirects of three frameworks lead back to where they came from.

A client knows only the address of a site. What stands between (a stage, a mapping, a CDN) turns
each URL into the event that it makes; a link that leaves the site fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from django.test import override_settings

import unigate
from tests.apps.linked_sites import (
    APPLICATIONS,
    assert_documentation_works,
    assert_links_lead_back,
)
from unigate import Headers, Request
from unigate.events import http_api, rest_api
from unigate.testing import Client


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    middleware = ["django.middleware.common.CommonMiddleware"]
    with override_settings(ROOT_URLCONF="tests.apps.linked_sites", MIDDLEWARE=middleware):
        yield


# --- what stands in front of them ----------------------------------------------------------------


def rest(
    domain: str, seen: str, given: str = "", version: str | None = None, **fields: str
) -> Callable[[Request], Any]:
    """Return what makes the events of a REST API, or of an HTTP API's payload 1.0.

    Args:
        domain: The domain of the API.
        seen: What `requestContext.path` has in front of the application's path.
        given: What `path` has in front of it.
        version: The version of the event.
        fields: Header fields that a proxy adds.
    """

    def make(request: Request) -> Any:
        event = rest_api.make_event(_through(request, domain, fields))
        inner = event["path"]
        event["path"] = given + inner
        about = event["requestContext"]
        about |= {"domainName": domain, "stage": "dev", "path": seen + inner}
        if inner == "/":
            event |= {"resource": "/", "pathParameters": None}
        if version:
            event |= {"version": version}
        return event

    return make


def http(domain: str, stage: str = "dev", **fields: str) -> Callable[[Request], Any]:
    """Return what makes the events of an HTTP API: they begin with the stage on every domain."""

    def make(request: Request) -> Any:
        event = http_api.make_event(_through(request, domain, fields))
        prefix = "" if stage == "$default" else f"/{stage}"
        event["rawPath"] = event["requestContext"]["http"]["path"] = prefix + event["rawPath"]
        event["requestContext"] |= {"domainName": domain, "stage": stage}
        return event

    return make


def _through(request: Request, domain: str, fields: dict[str, str]) -> Request:
    """Return a request as an API gets it: a CDN names the API's domain as the host."""
    request.headers.set("host", domain)
    for name, value in fields.items():
        request.headers.set(name.replace("_", "-"), value)
    return request


class Front(NamedTuple):
    """A site's address, how its requests become events, and what the deployer says."""

    url: str
    make_event: Callable[[Request], Any]
    settings: dict[str, Any] = {}


OWN = "abc.execute-api.eu-west-1.amazonaws.com"
SOVEREIGN = "abc.execute-api.eusc-de-east-1.amazonaws.eu"
LOCAL = "abc.execute-api.localhost.localstack.cloud:4566"
CUSTOM = "api.example.org"
CDN = "www.example.com"
FRONTS = {
    "REST": Front(f"https://{OWN}/dev", rest(OWN, "/dev")),
    "REST, sovereign": Front(f"https://{SOVEREIGN}/dev", rest(SOVEREIGN, "/dev")),
    "REST, LocalStack": Front(f"https://{LOCAL}/dev", rest(LOCAL, "/dev")),
    "REST, custom": Front(f"https://{CUSTOM}", rest(CUSTOM, "")),
    "REST, custom, mapped without a stage": Front(
        f"https://{CUSTOM}/dev", rest(CUSTOM, "/dev", "/dev")
    ),
    "REST, custom, mapped at a path": Front(
        f"https://{CUSTOM}/shop", rest(CUSTOM, "/shop", "/shop"), {"base_path": "/shop"}
    ),
    "REST, custom, mapped at a path that is removed": Front(
        f"https://{CUSTOM}/shop", rest(CUSTOM, "/shop")
    ),
    "REST, CloudFront": Front(
        f"https://{CDN}", rest(OWN, "/dev"), {"public_url": f"https://{CDN}"}
    ),
    "REST, CloudFront, at a path": Front(
        f"https://{CDN}/shop", rest(OWN, "/dev"), {"public_url": f"https://{CDN}/shop"}
    ),
    "REST, CloudFront names the host": Front(
        f"https://{CDN}",
        rest(OWN, "/dev", x_forwarded_host=CDN),
        {"trusted_proxies": 1, "stage": "strip"},
    ),
    "payload 1.0": Front(f"https://{OWN}/dev", rest(OWN, "/dev", "/dev", "1.0")),
    "payload 1.0, custom": Front(f"https://{CUSTOM}", rest(CUSTOM, "", "/dev", "1.0")),
    "payload 1.0, custom, mapped at a path": Front(
        f"https://{CUSTOM}/shop", rest(CUSTOM, "/shop", "/shop", "1.0"), {"base_path": "/shop"}
    ),
    "payload 1.0, custom, mapped at the stage's name": Front(
        f"https://{CUSTOM}/dev", rest(CUSTOM, "/dev", "/dev", "1.0")
    ),
    "HTTP": Front(f"https://{OWN}", http(OWN, "$default")),
    "HTTP, stage": Front(f"https://{OWN}/dev", http(OWN)),
    "HTTP, custom": Front(f"https://{CUSTOM}", http(CUSTOM, "$default")),
    "HTTP, custom, stage": Front(f"https://{CUSTOM}", http(CUSTOM)),
    "HTTP, custom, stage, kept": Front(f"https://{CUSTOM}/dev", http(CUSTOM), {"stage": "keep"}),
    "HTTP, custom, stage, mapped at its name": Front(
        f"https://{CUSTOM}/dev", http(CUSTOM), {"base_path": "/dev"}
    ),
    "HTTP, custom, stage, mapped at a path": Front(
        f"https://{CUSTOM}/shop", http(CUSTOM), {"public_url": f"https://{CUSTOM}/shop"}
    ),
    "HTTP, CloudFront": Front(f"https://{CDN}", http(OWN), {"public_url": f"https://{CDN}/"}),
    "HTTP, a proxy names the host": Front(
        f"https://{CDN}:8443",
        http(OWN, forwarded=f'for=198.51.100.1;host="{CDN}:8443";proto=https'),
        {"trusted_proxies": "203.0.113.0/24", "stage": "strip"},
    ),
}


class Gate:
    """What is in front, as a source for the test client: it refuses URLs outside of the site."""

    MAX_REPLY = http_api.MAX_REPLY
    matches = staticmethod(http_api.matches)
    to_request = staticmethod(http_api.to_request)
    to_reply = staticmethod(http_api.to_reply)
    from_reply = staticmethod(http_api.from_reply)

    def __init__(self, front: Front) -> None:
        self.__name__ = "http_api"
        self._front = front

    def make_event(self, request: Request) -> Any:
        """Return the event for a URL of the site."""
        url = f"{request.scheme}://{request.headers['host']}{request.target}"
        assert url.startswith(f"{self._front.url}/"), url
        path = request.raw_path.removeprefix(urlsplit(self._front.url).path.encode())
        inner = Request(
            request.method,
            path,
            query_string=request.query_string,
            headers=Headers(request.headers),
            client=("203.0.113.7", 0),
        )
        return self._front.make_event(inner)


def visit(front: Front, app: Any) -> Client:
    """Return a client of a site that knows nothing but its address."""
    gateway = unigate.wrap(app, lifespan="off", **front.settings)
    return Client(gateway, Gate(front), base_url=front.url)


@pytest.mark.parametrize("app", APPLICATIONS)
@pytest.mark.parametrize("name", FRONTS)
def test_links_and_redirects_lead_back(name: str, app: str) -> None:
    front = FRONTS[name]
    assert_links_lead_back(visit(front, APPLICATIONS[app]()).get, front.url)


@pytest.mark.parametrize("name", FRONTS)
def test_the_documentation_of_fastapi_finds_its_schema(name: str) -> None:
    front = FRONTS[name]
    assert_documentation_works(visit(front, APPLICATIONS["fastapi"]()).get, front.url)
