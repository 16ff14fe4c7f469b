"""Django's own tests of cache backends, from its source distribution, with our backend.

As a script this takes the URL of a store. The tests are downloaded once, to `.cache/` at the root
of the repository.
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
    """Return the folder of the package `cache`, the tests of the installed Django's caches."""
    name = f"django-{django.__version__}"
    tests = CACHE / f"{name}-tests"
    if not tests.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            options = ["--quiet", "--no-deps", "--no-binary=:all:", "--dest", folder]
            download = [sys.executable, "-m", "pip", "download", *options]
            subprocess.run([*download, f"django=={django.__version__}"], check=True, timeout=300)
            with tarfile.open(Path(folder, f"{name}.tar.gz")) as source:
                prefix = f"{name}/tests/cache/"
                members = [member for member in source if member.name.startswith(prefix)]
                source.extractall(folder, members, filter="data")
            os.replace(Path(folder, name, "tests"), tests)
    return tests


def run(location: str) -> int:
    """Run the tests with our backend on a store, and return the number of failures."""
    sys.path.insert(0, str(fetch()))
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["cache"],
        SECRET_KEY="only for tests",
        USE_TZ=False,
    )
    django.setup()
    from cache import tests
    from django.test import TestCase, override_settings
    from django.test.runner import DiscoverRunner

    # Excluded as Django does for Redis and Memcached: the store limits its own size.
    caches: dict[str, Any] = tests.caches_setting_for_tests(
        exclude={"cull", "zero_cull"},
        BACKEND="django_unigate.cache.RuntimeCache",
        LOCATION=location,
    )

    @override_settings(CACHES=caches)
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
