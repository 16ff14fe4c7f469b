"""The variables that prove each platform, as it sets them at run time."""

from __future__ import annotations

import itertools

from unigate import platforms

PROOFS: dict[str, dict[str, str]] = {
    "vercel": {
        "VERCEL": "1",
        "VERCEL_REGION": "fra1",
        "VERCEL_DEPLOYMENT_ID": "dpl_7Gw5ZMBvQA8h9GF832KGp7nwbuh3",
    },
    "fly": {"FLY_APP_NAME": "notes", "FLY_MACHINE_ID": "148e2703b36a89"},
    "app-engine": {
        "GAE_ENV": "standard",
        "GAE_APPLICATION": "e~notes",
        "GAE_SERVICE": "default",
        "GAE_INSTANCE": "00c61b117cf8b8e1",
    },
    "google": {
        "K_SERVICE": "notes",
        "K_REVISION": "notes-00001-wiz",
        "K_CONFIGURATION": "notes",
    },
    "azure": {"WEBSITE_SITE_NAME": "notes", "WEBSITE_INSTANCE_ID": "6bf7af9b2a3d"},
    "azure on Linux": {"WEBSITE_SITE_NAME": "notes", "CONTAINER_NAME": "notes-638761"},
    "aws": {"AWS_LAMBDA_FUNCTION_NAME": "notes", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"},
}
"""The variables, by the platform's name and perhaps a note after it."""

VARIABLES = sorted(
    {
        entry.partition("=")[0]
        for row in platforms.ROWS
        for entry in (*itertools.chain(*row.proofs), *row.local, *row.hints)
    }
)
"""Every variable that says something of the platform."""
