"""What every test may rely on."""

from __future__ import annotations

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"

# asgion exists for Python 3.12 and later only.
collect_ignore = ["test_asgion.py"] if sys.version_info < (3, 12) else []
