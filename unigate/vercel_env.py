"""Vercel's system environment variables, typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Env:
    """Vercel's system environment variables by attribute or key; None for one that is not set.

    The first fields are those of Vercel's own `Env`, in its order.
    """

    VERCEL: str | None = None
    CI: str | None = None
    VERCEL_ENV: str | None = None
    VERCEL_URL: str | None = None
    VERCEL_BRANCH_URL: str | None = None
    VERCEL_PROJECT_PRODUCTION_URL: str | None = None
    VERCEL_REGION: str | None = None
    VERCEL_DEPLOYMENT_ID: str | None = None
    VERCEL_SKEW_PROTECTION_ENABLED: str | None = None
    VERCEL_AUTOMATION_BYPASS_SECRET: str | None = None
    VERCEL_GIT_PROVIDER: str | None = None
    VERCEL_GIT_REPO_SLUG: str | None = None
    VERCEL_GIT_REPO_OWNER: str | None = None
    VERCEL_GIT_REPO_ID: str | None = None
    VERCEL_GIT_COMMIT_REF: str | None = None
    VERCEL_GIT_COMMIT_SHA: str | None = None
    VERCEL_GIT_COMMIT_MESSAGE: str | None = None
    VERCEL_GIT_COMMIT_AUTHOR_LOGIN: str | None = None
    VERCEL_GIT_COMMIT_AUTHOR_NAME: str | None = None
    VERCEL_GIT_PREVIOUS_SHA: str | None = None
    VERCEL_GIT_PULL_REQUEST_ID: str | None = None
    VERCEL_TARGET_ENV: str | None = None
    VERCEL_PROJECT_ID: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return all variables by name."""
        return dict(vars(self))

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return a variable, the default for a name that Vercel does not have."""
        value: str | None = vars(self).get(key, default)
        return value

    def __getitem__(self, key: str) -> str | None:
        value: str | None = vars(self)[key]
        return value

    def __repr__(self) -> str:
        names = (name for name, value in vars(self).items() if value is not None)
        return f"<Env {', '.join(names) or 'without variables'}>"  # no values: one is a secret


def get_env(env: Mapping[str, str] | None = None) -> Env:
    """Return Vercel's system environment variables; empty ones are None, as in Vercel's SDK.

    Raises:
        TypeError: `env` is no mapping.
    """
    env = os.environ if env is None else env
    if not isinstance(env, Mapping):
        raise TypeError(f"get_env() takes a mapping of variables, got {env!r}: get_env()[{env!r}].")
    return Env(**{name: env.get(name) or None for name in Env.__annotations__})
