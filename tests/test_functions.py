"""Geolocation, address and cache on the request, by every door; the names of Vercel's SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS
from unigate import Headers, Request, deployment, functions
from unigate.cache import open_backend
from unigate.cache.memory import MemoryBackend

TEXT = [(b"content-type", b"text/plain")]
ASKED = Request(
    "GET",
    b"/",
    headers=Headers(
        [
            ("host", "example.org"),
            ("cf-connecting-ip", "203.0.113.9"),
            ("cf-ipcountry", "BR"),
            ("cf-ipcity", "SÃ£o Paulo"),
            ("x-vercel-ip-country", "DE"),
            ("x-real-ip", "198.51.100.9"),
        ]
    ),
    server=("example.org", 443),
    client=("203.0.113.7", 4711),
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    request = unigate.current_request()
    hits = request.runtime_cache.get("hits", 0) + 1
    await request.async_runtime_cache.set("hits", hits)
    told = {
        "geo": request.geolocation,
        "by function": functions.geolocation(scope),
        "by headers": functions.geolocation(dict(request.headers)),
        "ip": request.ip_address,
        "ip by function": functions.ip_address(request),
        "hits": hits,
    }
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


every_host = pytest.mark.parametrize("host", HOSTS)


def ask(host: str, **options: Any) -> dict[str, Any]:
    app = unigate.wrap(application, lifespan="off", **options)
    told: dict[str, Any] = json.loads(HOSTS[host](app, ASKED).body)
    return told


@pytest.fixture(autouse=True)
def _nowhere(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on no platform, whatever an earlier test has found out."""
    for name in ("UNIGATE_PLATFORM", "UNIGATE_CACHE_URL", "RUNTIME_CACHE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    deployment.default_deployment.cache_clear()


@every_host
def test_the_platform_that_is_named_is_believed(host: str) -> None:
    told = ask(host, platform="cloudflare", cache=MemoryBackend())
    assert (told["geo"]["city"], told["geo"]["country"]) == ("São Paulo", "BR")
    assert told["geo"]["flag"] == "🇧🇷"
    assert told["by function"] == told["by headers"] == told["geo"]
    assert told["ip"] == told["ip by function"] == "203.0.113.9"


@every_host
def test_nobody_is_believed_unless_named(host: str) -> None:
    told = ask(host, cache=MemoryBackend())
    assert not any(told["geo"].values())
    assert told["ip"] in ("203.0.113.7", None)  # the peer, where the platform names it


@every_host
def test_requests_of_a_gateway_share_its_cache(host: str) -> None:
    cache = MemoryBackend()
    assert [ask(host, cache=cache)["hits"] for _ in range(3)] == [1, 2, 3]
    assert ask(host, cache=MemoryBackend())["hits"] == 1


def test_a_cache_may_be_a_url() -> None:
    assert ask("http_api", cache="memory://shop")["hits"] == 1
    assert ask("rest_api", cache="memory://shop")["hits"] == 2
    assert ask("rest_api", cache="memory://other")["hits"] == 1
    open_backend("memory://shop").clear()


def test_a_cache_made_anywhere_is_that_of_the_request_in_hand() -> None:
    cache = functions.RuntimeCache()

    def app(environ: Any, start_response: Any) -> Any:
        cache.set("who", "gateway")
        start_response("200 OK", [])
        return []

    backend = MemoryBackend()
    unigate.wrap(app, interface="wsgi", cache=backend).lambda_handler(
        {"httpMethod": "GET", "path": "/"}
    )
    assert functions.RuntimeCache(backend=backend).get("who") == "gateway"
    assert cache.get("who") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"platform": "vercle"}, "cloudflare.*vercle"),
        ({"trusted_proxies": "10.0.0.0/99"}, "10.0.0.0/99"),
        ({"trusted_proxies": -1}, "-1"),
        ({"cache": "memcached://x"}, "redis://.*memcached"),
    ],
)
def test_wrong_settings_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unigate.wrap(application, **options)


def test_a_request_that_no_gateway_brought_goes_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNIGATE_PLATFORM", "cloudflare")
    deployment.default_deployment.cache_clear()
    try:
        assert ASKED.geolocation["country"] == "BR"
        assert ASKED.ip_address == "203.0.113.9"
        assert ASKED.runtime_cache is ASKED.runtime_cache
    finally:
        deployment.default_deployment.cache_clear()
