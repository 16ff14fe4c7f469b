"""The headers that platforms set, by platform.

They can be trusted only if the request came through that platform: where we run on it
(`platforms.proven`), or where the deployer says that it stands in front.
"""

from __future__ import annotations

from typing import NamedTuple


class Provider(NamedTuple):
    """The headers of a request that a platform sets, replacing what the client sent.

    A deployer who names a platform that we do not run on states two things: requests cannot reach
    the application around it, and it is configured to set these headers. `provider` changes names.
    """

    name: str
    client: str = ""
    """The header that holds the client's address alone."""
    appends: bool = False
    """Whether it appends its peer to X-Forwarded-For."""
    own: int = 0
    """The number of its own addresses that it appends after that one."""
    host: str = ""
    """The header that holds the host which the client asked for, if Host is another."""
    country: str = ""
    country_region: str = ""
    city: str = ""
    latitude: str = ""
    longitude: str = ""
    position: str = ""
    """The header that holds latitude and longitude, separated by a comma."""
    postal_code: str = ""
    region: str = ""
    """The header that begins with the platform's region that received the request."""
    packed: str = ""
    """The header that holds the whole location, in the platform's own format."""
    request_id: str = ""
    """The header that holds the request's identifier."""
    percent: bool = False
    """Whether the city is percent-encoded; else it is UTF-8, which servers pass as Latin-1."""


_ROWS = (
    # vercel.com/docs/headers/request-headers: Vercel overwrites all of these and X-Forwarded-For.
    Provider(
        "vercel",
        client="x-real-ip",
        host="x-forwarded-host",
        country="x-vercel-ip-country",
        country_region="x-vercel-ip-country-region",
        city="x-vercel-ip-city",
        latitude="x-vercel-ip-latitude",
        longitude="x-vercel-ip-longitude",
        postal_code="x-vercel-ip-postal-code",
        region="x-vercel-id",
        request_id="x-vercel-id",
        percent=True,
    ),
    # API Gateway, function URLs and load balancers pass the client's headers on; their own
    # information is in the event. No variable reveals a CloudFront in front: it must be named.
    Provider("aws"),
    # CloudFront developer guide, "Add CloudFront request headers": set where a policy includes
    # them, and only after the viewer-request trigger of Lambda@Edge. Appends to X-Forwarded-For.
    # A field for the host exists only where a function of the operator's sets one.
    Provider(
        "cloudfront",
        client="cloudfront-viewer-address",
        appends=True,
        country="cloudfront-viewer-country",
        country_region="cloudfront-viewer-country-region",
        city="cloudfront-viewer-city",
        latitude="cloudfront-viewer-latitude",
        longitude="cloudfront-viewer-longitude",
        postal_code="cloudfront-viewer-postal-code",
        request_id="x-amz-cf-id",
        percent=True,
    ),
    # developers.cloudflare.com, "HTTP headers"; all but the country need the managed transform
    # "Add visitor location headers". Appends to X-Forwarded-For; True-Client-IP is not protected.
    Provider(
        "cloudflare",
        client="cf-connecting-ip",
        country="cf-ipcountry",
        country_region="cf-region-code",
        city="cf-ipcity",
        latitude="cf-iplatitude",
        longitude="cf-iplongitude",
        postal_code="cf-postal-code",
        request_id="cf-ray",
    ),
    # Cloud Run and Cloud Functions: the last entry of X-Forwarded-For is the peer, whether Google
    # appends or overwrites. No document promises that a client's X-Appengine-* is removed there.
    Provider("google", appends=True),
    # App Engine, "Request headers": exactly these are removed from a client's request. Functions
    # of the first generation get them too, but cannot be told from others: it must be named.
    Provider(
        "app-engine",
        client="x-appengine-user-ip",
        country="x-appengine-country",
        country_region="x-appengine-region",
        city="x-appengine-city",
        position="x-appengine-citylatlong",
    ),
    # Cloud Load Balancing, "Custom headers": the operator chooses the names, so none stand here.
    # X-Forwarded-For is "<what the client sent>,<client>,<load balancer>".
    Provider("google-load-balancer", appends=True, own=1),
    # App Service appends "address:port" to X-Forwarded-For.
    Provider("azure", appends=True),
    # "Protocol support for HTTP headers in Azure Front Door": X-Azure-ClientIP and X-Forwarded-For
    # can be the client's. The origin must check X-Azure-FDID: any customer may own a Front Door.
    # X-Forwarded-Host is overwritten.
    Provider(
        "azure-front-door",
        client="x-azure-socketip",
        host="x-forwarded-host",
        request_id="x-azure-ref",
    ),
    # Netlify, "Functions API reference" and netlify/cli, `src/lib/functions/server.ts`: X-Nf-Geo is
    # base64 of JSON, X-Country its predecessor.
    Provider(
        "netlify",
        client="x-nf-client-connection-ip",
        country="x-country",
        packed="x-nf-geo",
        request_id="x-nf-request-id",
    ),
    # fly.io/docs/networking/request-headers. Fly-Region is where the connection was accepted; the
    # last entry of X-Forwarded-For is the application's own address. No geolocation.
    Provider("fly", client="fly-client-ip", own=1, region="fly-region"),
    # Fastly, "Fastly-Client-IP": kept as the client sent it, unless VCL sets it at the edge. A
    # location exists only where VCL copies client.geo.* into headers that the operator chooses.
    # X-Forwarded-For is unchanged for plain HTTP. So no header can be trusted by default.
    Provider("fastly"),
    # Akamai Property Manager: "True Client IP Header" (clients must not be allowed to set it) and
    # "Content Targeting (EdgeScape)", both off unless switched on.
    Provider("akamai", client="true-client-ip", packed="x-akamai-edgescape"),
)
PROVIDERS = {row.name: row for row in _ROWS}


def provider(name: str, **headers: str) -> Provider:
    """Return a platform with the header names that its operator has chosen.

    Example: `provider("google-load-balancer", country="x-client-region", city="x-client-city")`.
    The platform must set those headers on every request, otherwise clients can.

    Raises:
        ValueError: For an unknown platform or kind of header.
    """
    if name not in PROVIDERS:
        from unigate.nearest import did_you_mean

        raise ValueError(
            f"platform must be one of {', '.join(PROVIDERS)}, got {name!r}."
            f"{did_you_mean(name, PROVIDERS)}"
        )
    unknown = headers.keys() - set(_HEADERS)
    if unknown:
        raise ValueError(
            f"The headers of a platform must be among {', '.join(_HEADERS)}, "
            f"got {', '.join(sorted(unknown))}."
        )
    return Provider(**PROVIDERS[name]._asdict() | headers)


_HEADERS = (
    *("client", "host", "country", "country_region", "city", "latitude", "longitude", "position"),
    *("postal_code", "region", "request_id"),
)
