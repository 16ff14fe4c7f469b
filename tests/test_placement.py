"""`public_url`, `stage`, and the host that trusted proxies name, on every host."""

from __future__ import annotations

from typing import Any

import pytest

import unigate
from tests.hosts import HOSTS
from tests.samples import load
from unigate import Gateway, Headers, Request
from unigate.client.providers import PROVIDERS, provider
from unigate.http.public_address import PublicURL


def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    server = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    members = ("wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO")
    return [" ".join([*(environ[name] or "-" for name in members), server]).encode("latin-1")]


async def api(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    host = dict(scope["headers"])[b"host"].decode()
    below = scope["path"].removeprefix(scope["root_path"])
    server = "{}:{}".format(*scope["server"])
    words = [scope["scheme"], host, scope["root_path"] or "-", below or "/", server]
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": " ".join(words).encode()})


APPLICATIONS = {"wsgi": site, "asgi": api}


def seen(door: str, gateway: Gateway, path: bytes = b"/a/b", **fields: str) -> str:
    """Return the address that an application sees of a request to inner.example."""
    headers = {"host": "inner.example"} | {k.replace("_", "-"): v for k, v in fields.items()}
    request = Request(
        "GET",
        path,
        headers=Headers(headers.items()),
        scheme="http",
        server=("inner.example", 80),
        client=("10.0.0.1", 50000),
    )
    response = HOSTS[door](gateway, request)
    assert response.status == 200
    return response.body.decode()


@pytest.mark.parametrize("interface", APPLICATIONS)
@pytest.mark.parametrize("door", HOSTS)
def test_a_public_url_is_the_address_on_every_host(door: str, interface: str) -> None:
    application = APPLICATIONS[interface]
    gateway = unigate.wrap(application, public_url="https://www.example.com", lifespan="off")
    assert seen(door, gateway) == "https www.example.com - /a/b www.example.com:443"
    gateway = unigate.wrap(application, public_url="http://x.example:81/shop/", lifespan="off")
    expected = "http x.example:81 /shop /a/b x.example:81"
    assert seen(door, gateway) == expected
    assert seen(door, gateway, b"/shop/a/b") == expected
    assert seen(door, gateway, b"/shop") == "http x.example:81 /shop / x.example:81"
    assert seen(door, gateway, b"/shopping") == "http x.example:81 /shop /shopping x.example:81"


@pytest.mark.parametrize("interface", APPLICATIONS)
@pytest.mark.parametrize("door", HOSTS)
def test_nothing_a_client_sends_changes_a_public_url(door: str, interface: str) -> None:
    application = APPLICATIONS[interface]
    gateway = unigate.wrap(
        application, public_url="https://www.example.com", trusted_proxies=1, lifespan="off"
    )
    forged = {"x_forwarded_host": "evil.example", "forwarded": "host=evil.example"}
    assert "evil" not in seen(door, gateway, host="evil.example", **forged)


@pytest.mark.parametrize("door", ["asgi", "wsgi", "rest_api"])
def test_a_public_url_stands_for_the_base_path_too(door: str) -> None:
    gateway = unigate.wrap(site, base_path="/v1", public_url="https://www.example.com")
    assert seen(door, gateway, b"/v1/x") == "https www.example.com - /x www.example.com:443"
    assert seen(door, gateway, b"/v1") == "https www.example.com - / www.example.com:443"
    gateway = unigate.wrap(site, base_path="/v1", public_url="https://www.example.com/v1")
    assert seen(door, gateway, b"/v1/x") == "https www.example.com /v1 /x www.example.com:443"


@pytest.mark.parametrize("door", HOSTS)
def test_mounts_are_found_below_a_public_url(door: str) -> None:
    gateway = unigate.wrap(mounts={"/v2": site}, public_url="https://www.example.com/shop")
    for path in (b"/v2/x", b"/shop/v2/x"):
        assert seen(door, gateway, path).split()[2:4] == ["/shop/v2", "/x"]


@pytest.mark.parametrize("stage", ["auto", "keep", "strip"])
def test_a_public_url_stands_for_the_stage_too(stage: Any) -> None:
    gateway = unigate.wrap(site, public_url="https://www.example.com", stage=stage)
    for name in ("rest_api/multi_value", "http_api/post_stage", "lambda_integration/get"):
        reply = HOSTS["rest_api"].source.from_reply(  # type: ignore[attr-defined]
            gateway(load(name), None)
        )
        scheme, host, root, _, _ = reply.body.decode().split()
        assert (scheme, host, root) == ("https", "www.example.com", "-"), name


@pytest.mark.parametrize(
    "url",
    [
        *("www.example.com", "//www.example.com", "/shop", "ftp://www.example.com"),
        *("https://", "https:///x", "https://a@www.example.com", "https://www.example.com?a=1"),
        *("https://www.example.com/#a", "https://www.example.com?", "https://[::1", "https://a b"),
        *("https://b\xfccher.example", "https://a,b", "https://%61.example", "https://:443"),
        *("https://a:0", "https://a:65536", "https://a:99999", "https://a:b", "https://[::1]:0"),
    ],
)
def test_a_public_url_must_be_a_url(url: str) -> None:
    with pytest.raises(ValueError, match="public_url must be a URL such as"):
        unigate.wrap(site, public_url=url)


def test_a_name_beyond_ascii_is_shown_as_links_have_it() -> None:
    with pytest.raises(ValueError, match=r"Write the host as 'xn--bcher-kva\.example:81'"):
        unigate.wrap(site, public_url="https://b\xfccher.example:81/x")
    with pytest.raises(ValueError, match="Write the host in ASCII"):
        unigate.wrap(site, public_url="https://" + "\xfc" * 70)


def test_an_empty_public_url_is_none() -> None:
    address = seen("rest_api", unigate.wrap(site))
    assert seen("rest_api", unigate.wrap(site, public_url="")) == address


def test_a_public_url_must_be_text() -> None:
    with pytest.raises(TypeError, match="public_url must be a str, got 7"):
        unigate.wrap(site, public_url=7)  # type: ignore[arg-type]


def test_a_public_url_may_have_an_address_and_characters_to_quote() -> None:
    url = PublicURL("https://[::1]:8443/caf\xe9 1/%20/")
    assert (url.scheme, url.host, url.path) == ("https", "[::1]:8443", b"/caf%C3%A9%201/%20")


# --- the stage -----------------------------------------------------------------------------------


def http_event(domain: str, path: str = "/dev/x") -> Any:
    event = load("http_api/get") | {"rawPath": path, "routeKey": "$default"}
    event["requestContext"] |= {"stage": "dev", "domainName": domain}
    return event


def rest_event(domain: str, path: str = "/x", seen: str | None = None) -> Any:
    event = load("rest_api/single_value") | {"path": path, "pathParameters": None}
    event["requestContext"] |= {"stage": "dev", "domainName": domain, "path": seen}
    return event


OWN, CUSTOM = "x.execute-api.eu-west-1.amazonaws.com", "api.example.org"
ROUTED = http_event(CUSTOM) | {"routeKey": "GET /{proxy+}", "pathParameters": {"proxy": "dev/x"}}
EVENTS: dict[str, tuple[Any, dict[str, tuple[str, str]]]] = {
    "http, own": (
        http_event(OWN),
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/dev/x")},
    ),
    "http, custom": (
        http_event(CUSTOM),
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/dev/x")},
    ),
    "http, custom, without it": (
        http_event(CUSTOM, "/x"),
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/x")},
    ),
    "http, custom, a route of that name": (
        ROUTED,
        {"keep": ("/dev", "/dev/x"), "strip": ("", "/dev/x"), "ignore": ("", "/dev/x")},
    ),
    "rest, own": (
        rest_event(OWN, seen="/dev/x"),
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/x")},
    ),
    "rest, custom": (
        rest_event(CUSTOM, seen="/x"),
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/x")},
    ),
    "rest, custom, mapped at a path": (
        rest_event(CUSTOM, seen="/shop/x"),
        {"keep": ("/shop", "/x"), "strip": ("/shop", "/x"), "ignore": ("/shop", "/x")},
    ),
    "payload 1.0, custom": (
        rest_event(CUSTOM, "/dev/x") | {"version": "1.0"},
        {"keep": ("/dev", "/x"), "strip": ("", "/x"), "ignore": ("", "/dev/x")},
    ),
    "no stage": (
        http_event(OWN) | {"requestContext": {"http": {}, "stage": "$default"}},
        {"keep": ("", "/dev/x"), "strip": ("", "/dev/x"), "ignore": ("", "/dev/x")},
    ),
}


@pytest.mark.parametrize("stage", ["keep", "strip", "ignore"])
@pytest.mark.parametrize("name", EVENTS)
def test_the_deployer_says_what_the_stage_is(name: str, stage: Any) -> None:
    event, expected = EVENTS[name]
    addresses = []

    def address(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        addresses.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start_response("204 No Content", [])
        return []

    unigate.wrap(address, stage=stage)(event, None)
    assert addresses == [expected[stage]]


BASE_PATHS = {
    "http, custom": (http_event(CUSTOM), "/dev", ("/dev", "/x")),
    "http, custom, longer": (http_event(CUSTOM, "/dev/shop/x"), "/dev/shop", ("/dev/shop", "/x")),
    "http, custom, below the stage": (http_event(CUSTOM, "/dev/shop/x"), "/shop", ("/shop", "/x")),
    "http, custom, another word": (http_event(CUSTOM, "/dev/x"), "/develop", ("", "/x")),
    "http, custom, twice": (http_event(CUSTOM, "/dev/dev/x"), "/dev", ("/dev", "/x")),
    "http, own": (http_event(OWN), "/dev", ("/dev", "/x")),
    "http, own, below the stage": (http_event(OWN, "/dev/dev/x"), "/dev", ("/dev/dev", "/x")),
    "rest, own": (rest_event(OWN, seen="/dev/x"), "/dev", ("/dev", "/x")),
    "rest, own, twice": (rest_event(OWN, "/dev/x", "/dev/dev/x"), "/dev", ("/dev/dev", "/x")),
    "rest, custom": (rest_event(CUSTOM, "/dev/x", "/dev/x"), "/dev", ("/dev", "/x")),
    "payload 1.0, custom": (
        rest_event(CUSTOM, "/dev/x", "/dev/x") | {"version": "1.0"},
        "/dev",
        ("/dev", "/x"),
    ),
}


@pytest.mark.parametrize("name", BASE_PATHS)
def test_a_base_path_counts_before_the_stage_of_that_name(name: str) -> None:
    event, base_path, expected = BASE_PATHS[name]
    addresses = []

    def address(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        addresses.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start_response("204 No Content", [])
        return []

    unigate.wrap(address, base_path=base_path)(event, None)
    assert addresses == [expected]


@pytest.mark.parametrize("door", HOSTS)
def test_a_request_without_a_stage_is_not_changed(door: str) -> None:
    plain = seen(door, unigate.wrap(site))
    for stage in ("keep", "strip", "ignore"):
        if not (stage == "keep" and door in ("rest_api", "lambda_integration")):  # stage "local"
            assert seen(door, unigate.wrap(site, stage=stage)) == plain  # type: ignore[arg-type]


def test_an_unknown_word_for_the_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="stage must be one of 'auto', 'keep', 'strip'"):
        unigate.wrap(site, stage="mount")  # type: ignore[arg-type]


# --- the host that proxies name ------------------------------------------------------------------

FIELDS = {
    "X-Forwarded-Host": {"x_forwarded_host": "www.example.com"},
    "Forwarded": {"forwarded": "for=10.0.0.1;host=www.example.com"},
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("door", HOSTS)
def test_a_trusted_proxy_names_the_host(door: str, field: str) -> None:
    gateway = unigate.wrap(site, trusted_proxies=1)
    assert seen(door, gateway, **FIELDS[field]).split()[1] == "www.example.com"


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"trusted_proxies": 0},
        {"trusted_proxies": []},
        {"trusted_proxies": "203.0.113.0/24, loopback"},
        {"platform": "cloudflare"},
        {"platform": "cloudfront"},
        {"platform": "azure-front-door", "trusted_proxies": "203.0.113.0/24"},
    ],
    ids=str,
)
@pytest.mark.parametrize("door", HOSTS)
def test_a_host_for_which_nothing_vouches_is_never_read(door: str, given: Any, field: str) -> None:
    plain = seen(door, unigate.wrap(site))
    assert seen(door, unigate.wrap(site, **given), **FIELDS[field]) == plain


@pytest.mark.parametrize("door", ["asgi", "wsgi", "rest_api", "http_api", "function_url", "alb"])
def test_a_named_platform_names_the_host_in_its_field(door: str) -> None:
    edge = {"x_forwarded_host": "www.example.com", "forwarded": "host=evil.example"}
    for platform in (
        "azure-front-door",
        provider("cloudfront", host="x-forwarded-host"),
        PROVIDERS["vercel"],
    ):
        gateway = unigate.wrap(site, platform=platform)
        assert seen(door, gateway, **edge).split()[1] == "www.example.com"
    gateway = unigate.wrap(site, platform=provider("cloudfront", host="x-viewer-host"))
    assert seen(door, gateway, **edge).split()[1] == "inner.example"
    assert seen(door, gateway, x_viewer_host="www.example.com").split()[1] == "www.example.com"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"x_forwarded_host": "www.example.com:8443"}, "http www.example.com:8443"),
        ({"x_forwarded_host": "evil.example, www.example.com"}, "http www.example.com"),
        ({"x_forwarded_host": "www.example.com", "x_forwarded_proto": "https"}, "https www.ex"),
        ({"x_forwarded_host": "www.example.com", "x_forwarded_proto": "HTTPS"}, "https www.ex"),
        ({"x_forwarded_host": "www.example.com", "x_forwarded_proto": "evil"}, "http www.ex"),
        ({"x_forwarded_proto": "https"}, "http inner.example"),
        ({"x_forwarded_host": "[2001:db8::1]:81"}, "http [2001:db8::1]:81"),
        ({"x_forwarded_host": ""}, "http inner.example"),
        ({"x_forwarded_host": "www.example.com,"}, "http inner.example"),
        ({"x_forwarded_host": "a@evil.example"}, "http inner.example"),
        ({"x_forwarded_host": "evil.example/x"}, "http inner.example"),
        ({"x_forwarded_host": "a b"}, "http inner.example"),
        ({"x_forwarded_host": "evil.example:99999"}, "http inner.example"),
        ({"x_forwarded_host": ":80"}, "http inner.example"),
        ({"x_forwarded_host": "b\xfccher.example"}, "http inner.example"),
        ({"forwarded": 'For="[2001:db8::1]:47";HOST="a.example:81";proto=https'}, "https a.exam"),
        ({"forwarded": "host=evil.example, for=1.1.1.1;host=a.example"}, "http a.example"),
        ({"forwarded": "host=evil.example, for=1.1.1.1"}, "http inner.example"),
        ({"forwarded": 'host=evil.example;x=", for=1.1.1.1;host=a.example'}, "http inner.example"),
        ({"forwarded": "host"}, "http inner.example"),
        ({"forwarded": "host=evil.example,"}, "http inner.example"),
        ({"forwarded": "host=a.example;host=evil.example"}, "http a.example"),
        (
            {"forwarded": "host=a.example;proto=https", "x_forwarded_host": "a.example"},
            "http a.example",
        ),
        (
            {"forwarded": "host=evil.example", "x_forwarded_host": "a.example"},
            "http inner.example",
        ),
    ],
)
@pytest.mark.parametrize("door", ["asgi", "wsgi"])
def test_what_counts_of_the_fields_of_one_proxy(
    door: str, fields: dict[str, str], expected: str
) -> None:
    for trusted in (1, "private"):
        gateway = unigate.wrap(site, trusted_proxies=trusted)
        assert seen(door, gateway, **fields).startswith(expected)


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        (1, "third.example"),
        (2, "second.example"),
        (3, "first.example"),
        (4, "inner.example"),
        ("10.0.0.1", "third.example"),
        ("10.0.0.0/24", "second.example"),
        ("private", "second.example"),
        ("private, 203.0.113.9", "first.example"),
        ("0.0.0.0/0", "first.example"),
    ],
)
@pytest.mark.parametrize("door", ["asgi", "wsgi", "rest_api", "http_api"])
def test_the_outermost_trusted_proxy_counts(door: str, trusted: Any, expected: str) -> None:
    value = (
        "for=unknown;host=first.example, for=203.0.113.9;host=second.example, "
        "for=10.0.0.7;host=third.example"
    )
    gateway = unigate.wrap(site, trusted_proxies=trusted)
    assert seen(door, gateway, forwarded=value).split()[1] == expected


def test_an_event_of_the_console_has_no_proxy_in_front() -> None:
    event = load("rest_api/console_test") | {"headers": {"X-Forwarded-Host": "evil.example"}}
    for trusted in (1, "private"):
        hosts: list[str] = []

        def host(environ: Any, start_response: Any, hosts: list[str] = hosts) -> list[bytes]:
            hosts.append(environ["SERVER_NAME"])
            start_response("204 No Content", [])
            return []

        unigate.wrap(host, trusted_proxies=trusted)(event, None)
        assert hosts == ["testPrefix.testDomainName"]
