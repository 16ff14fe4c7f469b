"""Leaves out what cannot exist here: other companies' runtimes say where they run."""

from __future__ import annotations

import sys

collect_ignore: list[str] = []
if sys.version_info < (3, 12):  # vercel-runtime needs it
    collect_ignore += ["test_vercel.py"]
if sys.version_info < (3, 13):  # and so does Microsoft's
    collect_ignore += ["test_azure.py"]
if sys.platform != "linux":  # AWS's emulator is a Linux program
    collect_ignore += ["test_lambda.py"]
