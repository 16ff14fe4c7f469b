"""What `unigate build` writes for each platform.

A platform is a module with two functions: `plan(project)`, the contents of each file by its path,
and `notes(project)`, lines for whoever deploys it.
"""

from __future__ import annotations
