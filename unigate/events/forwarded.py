"""Which X-Forwarded fields each event source believes: those that its platform writes itself.

X-Forwarded-Proto names the scheme of a request, X-Forwarded-Port its port. A platform that writes
one replaces what the client has sent; every other platform passes the client's on. X-Forwarded-Host
and Forwarded are read only where the deployer trusts the proxy that sent them (`client.origins`),
X-Forwarded-Prefix never.
"""

from __future__ import annotations

from unigate.http.hosts import NOTHING, SCHEME, SCHEME_AND_PORT, Forwarded

BELIEVED: dict[str, Forwarded] = {
    # API Gateway, "Lambda proxy integrations", and live events of REST and HTTP APIs.
    "http_api": SCHEME_AND_PORT,
    "rest_api": SCHEME_AND_PORT,
    "lambda_integration": SCHEME_AND_PORT,
    # "Invoking function URLs" of Lambda, and live events.
    "function_url": SCHEME_AND_PORT,
    # Elastic Load Balancing, "HTTP headers and Application Load Balancers", and a live event.
    "alb": SCHEME_AND_PORT,
    # VPC Lattice, "HTTP targets": it writes X-Forwarded-For-Proto and -Port, not these.
    "lattice": NOTHING,
    "lattice_v1": NOTHING,
    # CloudFront names the scheme in CloudFront-Forwarded-Proto.
    "cloudfront": NOTHING,
    # vercel.com/docs/headers/request-headers, and `vercel dev`; neither writes a port.
    "vercel": SCHEME,
    # Netlify's `rawUrl` names the scheme.
    "netlify": NOTHING,
    # App Service, "Configure a Python app": TLS ends at its front end; the URL has the port.
    "azure": SCHEME,
    # Huawei Cloud, "Using an APIG (Dedicated) Trigger": its event has both.
    "huawei": SCHEME_AND_PORT,
    # Scaleway, "Functions HTTP headers reference": no port.
    "scaleway": SCHEME,
    # DigitalOcean Functions, "HTTP Headers": no port.
    "digitalocean": SCHEME,
    # No document names a field that OpenWhisk, Alibaba Cloud or Tencent Cloud writes, and live
    # events of Yandex Cloud have none.
    "openwhisk": NOTHING,
    "alibaba": NOTHING,
    "tencent": NOTHING,
    "yandex": NOTHING,
    # Of no known platform.
    "generic": NOTHING,
}
"""The believed fields by the name of the source that requests have."""
