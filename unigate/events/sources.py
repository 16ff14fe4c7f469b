"""All event sources, in the order in which they are asked.

Apart from those who choose among them, so that a function imports only what its events need.
"""

from __future__ import annotations

from . import (
    EventSource,
    alb,
    alibaba,
    cloudfront,
    generic,
    http_api,
    huawei,
    lattice,
    netlify,
    openwhisk,
    rest_api,
    scaleway,
    tencent,
    vercel,
    yandex,
)

# Their members stand apart from what clients choose, or their marks are nobody else's: before all.
FIRST: tuple[EventSource, ...] = (openwhisk, cloudfront)
NEXT: tuple[EventSource, ...] = (
    *(vercel, alb, lattice, http_api, alibaba, netlify, tencent, yandex, huawei, scaleway),
    *(rest_api, generic),
)
SOURCES = FIRST + NEXT
# Under the names of requests from the other halves of modules that read two formats.
HALVES: dict[str, EventSource] = {
    "function_url": http_api,
    "lattice_v1": lattice,
    "digitalocean": openwhisk,
}
