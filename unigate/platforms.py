"""Detect the platform on which this process runs, by its environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class Platform(NamedTuple):
    """The platform on which this process runs; None for what its variables do not contain."""

    name: str | None = None
    region: str | None = None
    deployment: str | None = None
    environment: str | None = None
    url: str | None = None
    commit: str | None = None


# For each platform: the variables that only the platform sets, which prove that we run there; those
# that its tools also set elsewhere; and a `Platform` with the names of variables instead of their
# values. Vercel and Netlify run on Lambda, so they come first.
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
    # run time only SITE_ID, SITE_NAME and URL exist, which could be set anywhere.
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
    # on any machine.
    (
        ("K_SERVICE",),
        ("FUNCTION_TARGET",),
        Platform("google", region="FUNCTION_REGION", deployment="K_REVISION"),
    ),
    # learn.microsoft.com/azure/app-service/reference-app-settings; containers and the
    # local tools set FUNCTIONS_WORKER_RUNTIME too.
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
    """Return the platform on which this process runs; every field is None if it is unknown."""
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


def proven(env: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the platform if its variables prove it; its headers can be trusted."""
    env = os.environ if env is None else env
    for proofs, _, named in _HOSTS:
        if any(map(env.get, proofs)):
            return named.name
    return None
