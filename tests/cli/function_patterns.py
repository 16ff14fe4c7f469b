"""What "functions" and "rewrites" of vercel.json may have, and what Vercel says about it."""

from __future__ import annotations

FILES = ("api/index.py", "api/sub/deep/x.py", "api/[id].py", "api/page.ts")

PATTERNS = {
    "api/**/*.py": True, "api/*.py": True, "api/**": True, "**/*.py": True, "**": True,
    "*": False, "*.py": False, "api/*": True, "api/s*/**/x.py": True, "api/s*": False,
    "api/sub/*": False, "api/[id].py": True, "api/[a-z]*.py": True, "api/i?dex.py": True,
    "api/[!i]*.py": True, "api/**.py": True, "api/**/x.py": True, "api/*.ts": True,
    "./api/index.py": False, "api/index": False, "api/other.py": False, "api/*.go": False,
}  # fmt: skip
"""Whether each of them matches a file."""

RUNTIMES = {
    "python3.9": False, "@vercel/python": False, "@vercel/python@4": False, "": False,
    "@vercel/python@4.0.0": True, "vercel-php@0.5.2": True, "a@1.0.0-beta.1": True,
}  # fmt: skip
"""Whether each of them is the runtime of a function."""

REWRITES = {
    ("(.*)", "/api/index.py"): "", ("/((?!api).*)", "/api/index"): "", ("/:a", "/b?x=:a"): "",
    ("/a", "https://example.com:8080/x"): "", ("/:a", "/b/$1"): "", ("/{:a}?", "/b"): "",
    ("/(a(?:b))", "/b"): "", ("a", "b"): "", ("/:a(\\d+)", "/b/:a"): "", ("/:a*", "/b/:a*"): "",
    ("/a\\(", "/b"): "", ("/(.*)?", "/b"): "", ("/a.:b+", "/b"): "", ("/a/(\\(b)", "/b"): "",
    ("/(.*", "/b"): 'a "(" has no ")"', ("/a)", "/b"): 'a ")" has no "("',
    ("/(?!api)(.*)", "/b"): 'a group must not begin with "?"', ("/()", "/b"): "a group is empty",
    ("/(a(b))", "/b"): 'a group in a group must begin with "?:"',
    ("/*", "/b"): "'*' must follow a parameter", ("/a*", "/b"): "'*' must follow a parameter",
    ("/:", "/b"): 'a ":" has no name', ("/a{b", "/b"): 'a "{" or "}" stands alone',
    ("/a", "/b?x=:c"): 'its destination has ":c"', ("/a", "/:c"): 'its destination has ":c"',
}  # fmt: skip
"""The problem of each source and destination, "" if there is none."""
