"""Where this process runs, and which headers of the platforms in front of it can be believed.

A header that a platform overwrites is its word only if the request came through that platform:
where we run there, or where the deployer says that it stands in front. What shows that we run there
are variables that the platform itself sets (`_HOSTS`); what may then be believed is in `PROVIDERS`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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


class Platform(NamedTuple):
    """Where this process runs, as the platform's own variables say; None for what they do not."""

    name: str | None = None
    region: str | None = None
    deployment: str | None = None
    environment: str | None = None
    url: str | None = None
    commit: str | None = None


# What each platform's variables are called, in place of what they hold. Before them those that
# nobody but the platform sets, which prove that we run there; then those that its tools set
# elsewhere too. Vercel and Netlify run on Lambda: they come first.
_HOSTS: tuple[tuple[tuple[str, ...], tuple[str, ...], Platform], ...] = (
    # vercel.com/docs/environment-variables/system-environment-variables
    (
        ("VERCEL",),
        (),
        Platform(
            "vercel",
            region="VERCEL_REGION",
            deployment="VERCEL_DEPLOYMENT_ID",
            environment="VERCEL_ENV",
            url="https://{VERCEL_URL}",
            commit="VERCEL_GIT_COMMIT_SHA",
        ),
    ),
    # docs.netlify.com/build/configure-builds/environment-variables: builds and `netlify dev`. At
    # run time there are only SITE_ID, SITE_NAME and URL, which anybody might set.
    (
        ("NETLIFY",),
        (),
        Platform(
            "netlify",
            region="AWS_REGION",
            deployment="DEPLOY_ID",
            environment="CONTEXT",
            url="{URL}",
            commit="COMMIT_REF",
        ),
    ),
    # fly.io/docs/machines/runtime-environment
    (
        ("FLY_APP_NAME",),
        (),
        Platform(
            "fly",
            region="FLY_REGION",
            deployment="FLY_IMAGE_REF",
            url="https://{FLY_APP_NAME}.fly.dev",
        ),
    ),
    # cloud.google.com/appengine/docs/standard/python3/runtime#environment_variables
    (("GAE_APPLICATION", "GAE_SERVICE"), (), Platform("app-engine", deployment="GAE_VERSION")),
    # cloud.google.com/run/docs/container-contract; `functions_framework` sets FUNCTION_TARGET
    # wherever it runs.
    (
        ("K_SERVICE",),
        ("FUNCTION_TARGET",),
        Platform("google", region="FUNCTION_REGION", deployment="K_REVISION"),
    ),
    # learn.microsoft.com/azure/app-service/reference-app-settings; FUNCTIONS_WORKER_RUNTIME is set
    # in containers and by the local tools too.
    (
        ("WEBSITE_SITE_NAME",),
        ("FUNCTIONS_WORKER_RUNTIME",),
        Platform(
            "azure",
            region="REGION_NAME",
            environment="WEBSITE_SLOT_NAME",
            url="https://{WEBSITE_HOSTNAME}",
        ),
    ),
    # docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    (
        ("AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV"),
        (),
        Platform("aws", region="AWS_REGION", deployment="AWS_LAMBDA_FUNCTION_VERSION"),
    ),
)


def current(env: Mapping[str, str] | None = None) -> Platform:
    """Return where this process runs; everything is None where nothing shows it."""
    env = os.environ if env is None else env
    for proofs, hints, named in _HOSTS:
        if any(map(env.get, proofs + hints)):
            return Platform(
                named.name,
                env.get(named.region or "") or None,
                env.get(named.deployment or "") or None,
                env.get(named.environment or "") or None,
                _fill(named.url or "", env),
                env.get(named.commit or "") or None,
            )
    return Platform()


def _fill(form: str, env: Mapping[str, str]) -> str | None:
    variable = form.partition("{")[2].partition("}")[0]
    value = env.get(variable)
    return form.replace(f"{{{variable}}}", value) if value else None


def proven(env: Mapping[str, str] | None = None) -> Provider | None:
    """Return the platform that we run on for certain, so that its headers can be believed."""
    env = os.environ if env is None else env
    for proofs, _, named in _HOSTS:
        if any(map(env.get, proofs)):
            return PROVIDERS[named.name or ""]
    return None


class Env:
    """Vercel's system environment variables, by attribute or by key; None where one is not set."""

    VERCEL: str | None
    CI: str | None
    VERCEL_ENV: str | None
    VERCEL_TARGET_ENV: str | None
    VERCEL_URL: str | None
    VERCEL_BRANCH_URL: str | None
    VERCEL_PROJECT_PRODUCTION_URL: str | None
    VERCEL_PROJECT_ID: str | None
    VERCEL_REGION: str | None
    VERCEL_DEPLOYMENT_ID: str | None
    VERCEL_SKEW_PROTECTION_ENABLED: str | None
    VERCEL_AUTOMATION_BYPASS_SECRET: str | None
    VERCEL_GIT_PROVIDER: str | None
    VERCEL_GIT_REPO_SLUG: str | None
    VERCEL_GIT_REPO_OWNER: str | None
    VERCEL_GIT_REPO_ID: str | None
    VERCEL_GIT_COMMIT_REF: str | None
    VERCEL_GIT_COMMIT_SHA: str | None
    VERCEL_GIT_COMMIT_MESSAGE: str | None
    VERCEL_GIT_COMMIT_AUTHOR_LOGIN: str | None
    VERCEL_GIT_COMMIT_AUTHOR_NAME: str | None
    VERCEL_GIT_PREVIOUS_SHA: str | None
    VERCEL_GIT_PULL_REQUEST_ID: str | None

    def __init__(self, **values: str | None) -> None:
        unknown = values.keys() - Env.__annotations__.keys()
        if unknown:
            raise TypeError(f"Vercel has no variables {', '.join(sorted(unknown))}.")
        vars(self).update(dict.fromkeys(Env.__annotations__), **values)

    def to_dict(self) -> dict[str, str | None]:
        """Return all of them."""
        return dict(vars(self))

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return one of them, the default for a name that is none of them."""
        value: str | None = vars(self).get(key, default)
        return value

    def __getitem__(self, key: str) -> str | None:
        value: str | None = vars(self)[key]
        return value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"The environment of Vercel is fixed: {name} cannot be set.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Env) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        known = (name for name, value in vars(self).items() if value is not None)
        return f"<Env {', '.join(known) or 'without variables'}>"  # no values: one is a secret


def get_env(env: Mapping[str, str] | None = None) -> Env:
    """Return Vercel's system environment variables; an empty one is None, as in Vercel's SDK."""
    env = os.environ if env is None else env
    return Env(**{name: env.get(name) or None for name in Env.__annotations__})
