"""The files that `unigate build` writes for each platform.

A platform is a module with a function `plan(project)`, which returns a `BuildPlan`, and a constant
UNUSED: the names of the settings in [tool.unigate] that have no effect there.
"""

from __future__ import annotations
