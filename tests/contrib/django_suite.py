"""Django's own tests of cache backends, which its source distribution carries, with ours.

Run as a script it takes the URL of a store. The tests are kept in `.cache/` at the root of the
repository and fetched only when they are not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import django
from django.conf import settings

CACHE = Path(__file__).parents[2] / ".cache"


def fetch() -> Path:
    """Return the folder of the package `cache`, the tests of the Django that is installed."""
    name = f"django-{django.__version__}"
    kept = CACHE / f"{name}-tests"
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            options = ["--quiet", "--no-deps", "--no-binary=:all:", "--dest", folder]
            download = [sys.executable, "-m", "pip", "download", *options]
            subprocess.run([*download, f"django=={django.__version__}"], check=True)
            with tarfile.open(Path(folder, f"{name}.tar.gz")) as source:
                wanted = [one for one in source if one.name.startswith(f"{name}/tests/cache/")]
                source.extractall(folder, wanted, filter="data")
            os.replace(Path(folder, name, "tests"), kept)
    return kept


def run(location: str) -> int:
    """Run the tests with our backend on a store, and return how many failed."""
    sys.path.insert(0, str(fetch()))
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["cache"],
        USE_TZ=False,
    )
    django.setup()
    from cache import tests
    from django.test import TestCase, override_settings
    from django.test.runner import DiscoverRunner

    # As Django does for Redis and Memcached: the store decides how much it holds.
    given: dict[str, Any] = tests.caches_setting_for_tests(
        exclude={"cull", "zero_cull"},
        BACKEND="django_unigate.cache.RuntimeCache",
        LOCATION=location,
    )

    @override_settings(CACHES=given)
    class RuntimeCacheTests(tests.BaseCacheTests, TestCase):
        pass

    runner = DiscoverRunner()
    runner.setup_test_environment()
    databases = runner.setup_databases()
    suite = runner.test_loader.loadTestsFromTestCase(RuntimeCacheTests)
    result = runner.run_suite(suite)
    runner.teardown_databases(databases)
    return len(result.failures) + len(result.errors)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
