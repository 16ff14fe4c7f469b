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


class PlatformRow(NamedTuple):
    """How a platform is recognised. Each entry is `NAME`, or `NAME=value` for one value alone.

    Clients can set the headers of a platform that we do not run on. So a platform is proven only by
    variables that it alone sets, one of which exists at run time only: files of variables that its
    tools write for development prove nothing.
    """

    platform: Platform
    """The name, and the names of variables instead of their values."""
    proofs: tuple[tuple[str, ...], ...] = ()
    """The variables that prove the platform together; one of several groups is enough."""
    local: tuple[str, ...] = ()
    """Variables of the platform's development tools; where one is set, nothing is proven."""
    hints: tuple[str, ...] = ()
    """Variables that exist elsewhere too: they name the platform, but prove nothing."""


# Vercel and Netlify run on Lambda, so they come first.
ROWS = (
    # vercel.com/docs/environment-variables/system-environment-variables: VERCEL_REGION is
    # "available at runtime" only. `vercel env pull` writes VERCEL="1" and VERCEL_ENV into a file,
    # but neither region nor deployment; `vercel dev` sets the region "dev1" (vercel/vercel,
    # packages/cli/src/util/dev/server.ts).
    PlatformRow(
        Platform(
            "vercel",
            region="VERCEL_REGION",
            deployment="VERCEL_DEPLOYMENT_ID",
            environment="VERCEL_ENV",
            url="https://{VERCEL_URL}",
            commit="VERCEL_GIT_COMMIT_SHA",
        ),
        proofs=(("VERCEL=1", "VERCEL_REGION", "VERCEL_DEPLOYMENT_ID"),),
        local=("VERCEL_REGION=dev1", "VERCEL_ENV=development"),
        hints=("VERCEL",),
    ),
    # docs.netlify.com/build/functions/environment-variables: at run time only SITE_ID, SITE_NAME
    # and URL exist, which could be set anywhere. NETLIFY exists in builds and in `netlify dev`. So
    # nothing proves Netlify, and it must be named.
    PlatformRow(
        Platform(
            "netlify",
            region="AWS_REGION",
            deployment="DEPLOY_ID",
            environment="CONTEXT",
            url="{URL}",
            commit="COMMIT_REF",
        ),
        hints=("NETLIFY",),
    ),
    # fly.io/docs/machines/runtime-environment: only a running Machine has an identifier. The name
    # of the app also stands in files for `fly deploy`.
    PlatformRow(
        Platform(
            "fly",
            region="FLY_REGION",
            deployment="FLY_IMAGE_REF",
            url="https://{FLY_APP_NAME}.fly.dev",
        ),
        proofs=(("FLY_APP_NAME", "FLY_MACHINE_ID"),),
        hints=("FLY_APP_NAME",),
    ),
    # cloud.google.com/appengine/docs/standard/python3/runtime#environment_variables: GAE_ENV is
    # "standard" there, and "localdev" under dev_appserver. The flexible environment has no GAE_ENV,
    # and it is not documented to remove a client's X-Appengine-*.
    PlatformRow(
        Platform("app-engine", deployment="GAE_VERSION"),
        proofs=(("GAE_ENV=standard", "GAE_APPLICATION", "GAE_SERVICE", "GAE_INSTANCE"),),
        hints=("GAE_APPLICATION", "GAE_SERVICE"),
    ),
    # cloud.google.com/run/docs/container-contract: three names that cannot be configured there.
    # Functions of the first generation do not document K_CONFIGURATION. Firebase's emulator sets
    # the others (firebase-tools, functionsEmulator.ts), `functions_framework` FUNCTION_TARGET.
    # Knative elsewhere sets all three, behind an ingress that appends to X-Forwarded-For as well.
    PlatformRow(
        Platform("google", region="FUNCTION_REGION", deployment="K_REVISION"),
        proofs=(("K_SERVICE", "K_REVISION", "K_CONFIGURATION"),),
        local=("FUNCTIONS_EMULATOR",),
        hints=("K_SERVICE", "FUNCTION_TARGET"),
    ),
    # learn.microsoft.com/azure/app-service/reference-app-settings: WEBSITE_INSTANCE_ID is the
    # virtual machine's. Consumption plans on Linux run in containers without it
    # (Azure/azure-functions-host, EnvironmentExtensions.cs). Core Tools set
    # AZURE_FUNCTIONS_ENVIRONMENT (`func start`), and containers FUNCTIONS_WORKER_RUNTIME.
    PlatformRow(
        Platform(
            "azure",
            region="REGION_NAME",
            environment="WEBSITE_SLOT_NAME",
            url="https://{WEBSITE_HOSTNAME}",
        ),
        proofs=(
            ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"),
            ("WEBSITE_SITE_NAME", "CONTAINER_NAME"),
        ),
        local=("AZURE_FUNCTIONS_ENVIRONMENT=Development",),
        hints=("WEBSITE_SITE_NAME", "FUNCTIONS_WORKER_RUNTIME"),
    ),
    # docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html; `sam local` sets these too,
    # and AWS_SAM_LOCAL. Other services than Lambda set AWS_EXECUTION_ENV.
    PlatformRow(
        Platform("aws", region="AWS_REGION", deployment="AWS_LAMBDA_FUNCTION_VERSION"),
        proofs=(("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API"),),
        local=("AWS_SAM_LOCAL",),
        hints=("AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV"),
    ),
)
"""The platforms, in the order in which they are looked for."""


def current(env: Mapping[str, str] | None = None) -> Platform:
    """Return the platform that is proven, else the one that a variable names; else empty fields.

    It informs, and is no reason to trust headers: see `proven`.
    """
    env = os.environ if env is None else env
    row = _proven_row(env)
    if row is None:
        row = next((row for row in ROWS if any(_has(env, name) for name in row.hints)), None)
    if row is None:
        return Platform()
    named = row.platform
    return Platform(
        named.name,
        env.get(named.region or "") or None,
        env.get(named.deployment or "") or None,
        env.get(named.environment or "") or None,
        _fill(named.url or "", env),
        env.get(named.commit or "") or None,
    )


def proven(env: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the platform if its variables prove it; its headers can be trusted."""
    row = _proven_row(os.environ if env is None else env)
    return row.platform.name if row else None


def _proven_row(env: Mapping[str, str]) -> PlatformRow | None:
    for row in ROWS:
        if any(_has(env, entry) for entry in row.local):
            continue
        if any(all(_has(env, entry) for entry in group) for group in row.proofs):
            return row
    return None


def _has(env: Mapping[str, str], entry: str) -> bool:
    """Return True if a variable has the entry's value; without one, any except "" and "0"."""
    name, _, expected = entry.partition("=")
    value = env.get(name, "")
    return value == expected if expected else value not in ("", "0")


def _fill(form: str, env: Mapping[str, str]) -> str | None:
    variable = form.partition("{")[2].partition("}")[0]
    value = env.get(variable)
    return form.replace(f"{{{variable}}}", value) if value else None
