"""What `unigate build` writes for each platform.

A platform is a module with two functions: `plan(project)`, the contents of each file by its path,
and `notes(project)`, lines for whoever deploys it. UNUSED are the settings that it has no use for.
"""

from __future__ import annotations
