"""The command line: `main` runs it, each command has a module or a package."""

from __future__ import annotations

# The packages of the extra "cli", by the names of their modules.
EXTRA_MODULES = ("click", "jinja2", "markupsafe", "packaging", "werkzeug", "yaml")
EXTRA_MISSING = 'The command line is an extra: pip install "unigate[cli]"'

# The name of the program, unless a framework's program runs it.
PROGRAM = "unigate"
