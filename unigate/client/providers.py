"""Which headers of the platforms in front of an application can be believed.

A header that a platform overwrites is its word only if the request came through that platform:
where we run there (`platforms.proven`), or where the deployer says that it stands in front.
"""

from __future__ import annotations

from typing import NamedTuple


class Provider(NamedTuple):
    """What a platform writes into the headers of a request, whatever the client sent there.

    Naming one that we do not run on states two things: that requests cannot reach the application
    around it, and that it is set up to write the headers below. `provider` changes the names.
    """

    name: str
    client: str = ""
    """The header with the client's address alone."""
    appends: bool = False
    """Whether the last of X-Forwarded-For, but for its own, is the peer that it has seen."""
    own: int = 0
    """How many addresses of its own it writes behind that one."""
    country: str = ""
    country_region: str = ""
    city: str = ""
    latitude: str = ""
    longitude: str = ""
    position: str = ""
    """The header with latitude and longitude, a comma between them."""
    postal_code: str = ""
    region: str = ""
    """The header that begins with the platform's region that took the request."""
    packed: str = ""
    """The header with everything at once, in a form of the platform's own."""
    percent: bool = False
    """Whether the city is percent-encoded; else it is UTF-8, which servers show as Latin-1."""


_ROWS = (
    # vercel.com/docs/headers/request-headers: all of these are Vercel's own, X-Forwarded-For too.
    Provider(
        "vercel",
        client="x-real-ip",
        country="x-vercel-ip-country",
        country_region="x-vercel-ip-country-region",
        city="x-vercel-ip-city",
        latitude="x-vercel-ip-latitude",
        longitude="x-vercel-ip-longitude",
        postal_code="x-vercel-ip-postal-code",
        region="x-vercel-id",
        percent=True,
    ),
    # API Gateway, function URLs and load balancers pass every header on as the client sent it. What
    # they know is in the event. CloudFront in front of them shows in no variable: name it.
    Provider("aws"),
    # CloudFront developer guide, "Add CloudFront request headers": written where a policy asks for
    # them, and only after the viewer-request trigger of Lambda@Edge. X-Forwarded-For is appended.
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
        percent=True,
    ),
    # developers.cloudflare.com, "HTTP headers"; all but the country come with the managed transform
    # "Add visitor location headers". X-Forwarded-For is appended; True-Client-IP is not protected.
    Provider(
        "cloudflare",
        client="cf-connecting-ip",
        country="cf-ipcountry",
        country_region="cf-region-code",
        city="cf-ipcity",
        latitude="cf-iplatitude",
        longitude="cf-iplongitude",
        postal_code="cf-postal-code",
    ),
    # Cloud Run and Cloud Functions: the last of X-Forwarded-For is the peer, whether Google appends
    # or overwrites. Nobody promises that X-Appengine-* of a client is removed there.
    Provider("google", appends=True),
    # App Engine, "Request headers": exactly these names of a client are removed. Functions of the
    # first generation get them too, but nothing tells those from others: name it.
    Provider(
        "app-engine",
        client="x-appengine-user-ip",
        country="x-appengine-country",
        country_region="x-appengine-region",
        city="x-appengine-city",
        position="x-appengine-citylatlong",
    ),
    # Cloud Load Balancing, "Custom headers": the names are the operator's choice, so there are none
    # here. X-Forwarded-For is "<what the client sent>,<client>,<load balancer>".
    Provider("google-load-balancer", appends=True, own=1),
    # App Service appends "address:port" to X-Forwarded-For.
    Provider("azure", appends=True),
    # "Protocol support for HTTP headers in Azure Front Door": X-Azure-ClientIP and X-Forwarded-For
    # are what the client says. The origin has to check X-Azure-FDID: others have a Front Door too.
    Provider("azure-front-door", client="x-azure-socketip"),
    # Netlify, "Functions API reference" and netlify/cli, `src/lib/functions/server.ts`: X-Nf-Geo is
    # base64 of JSON, and X-Country what there was before.
    Provider(
        "netlify",
        client="x-nf-client-connection-ip",
        country="x-country",
        packed="x-nf-geo",
    ),
    # fly.io/docs/networking/request-headers. Fly-Region is where the connection was accepted; the
    # last of X-Forwarded-For is the application's own address. No geolocation.
    Provider("fly", client="fly-client-ip", own=1, region="fly-region"),
    # Fastly, "Fastly-Client-IP": kept as the client sent it, unless VCL sets it at the edge; a
    # location is there only where VCL writes client.geo.* into headers of the operator's choice.
    # X-Forwarded-For is not touched for plain HTTP. So nothing here can be believed unseen.
    Provider("fastly"),
    # Akamai Property Manager: "True Client IP Header" (clients must not be allowed to set it) and
    # "Content Targeting (EdgeScape)", both off unless switched on.
    Provider("akamai", client="true-client-ip", packed="x-akamai-edgescape"),
)
PROVIDERS = {row.name: row for row in _ROWS}


def provider(name: str, **headers: str) -> Provider:
    """Return what a platform writes, with other header names where the operator chooses them.

    `provider("google-load-balancer", country="x-client-region", city="x-client-city")` names what
    its configuration writes; it has to write those headers on every request, or clients do.
    """
    if name not in PROVIDERS:
        raise ValueError(f"There is no platform {name!r}; there are {', '.join(PROVIDERS)}.")
    unknown = headers.keys() - set(_HEADERS)
    if unknown:
        raise ValueError(
            f"A platform has no header for {', '.join(sorted(unknown))}; "
            f"there are {', '.join(_HEADERS)}."
        )
    return Provider(**PROVIDERS[name]._asdict() | headers)


_HEADERS = (
    *("client", "country", "country_region", "city", "latitude", "longitude", "position"),
    *("postal_code", "region"),
)
