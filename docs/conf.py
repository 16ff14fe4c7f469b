"""The documentation site: `make docs` builds it into .cache/docs."""

from __future__ import annotations

import os
import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "unigate"
version = release = installed_version("unigate")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
exclude_patterns = ["_*"]
html_theme = "furo"
html_title = "unigate"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Both have a contrast of 4.5 to 1 or more, which axe holds.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# Links to other sites only: a name with a colon in it is not a cross-reference.
myst_url_schemes = ["http", "https", "mailto"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
# Types that have no page of their own.
nitpick_ignore_regex = [(r"py:(class|data|exc|obj)", r".*")]


# Files of the repository that are pages of the site, by name of the page; in docs/ these have only
# a title.
PAGES = {
    "architecture": "ARCHITECTURE.md",
    "benchmarks-method": "benchmarks/README.md",
    "benchmarks-notes": "benchmarks/NOTES.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
}
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)")


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put files of the repository into the site, with links between pages."""
    path = ROOT / PAGES.get(docname, f"docs/{docname}.md")
    if docname in PAGES:
        source[0] = path.read_text("utf-8")
    names = {ROOT / file: name for name, file in PAGES.items()}
    here = (ROOT / "docs" / docname).parent

    def link(match: re.Match[str]) -> str:
        target = path.parent.joinpath(match[1]).resolve()
        if target in names:
            target = ROOT / "docs" / f"{names[target]}.md"
        return f"]({os.path.relpath(target, here)}{match[2] or ''})"

    source[0] = LINK.sub(link, source[0])


ACCESSIBLE = {
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    'role="heading"': 'role="heading" aria-level="2"',
}


def make_accessible(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let the keyboard scroll code and tables, and give headings of contents a level."""
    for part in ("body", "furo_navigation_tree"):
        text = context.get(part, "")
        for old, new in ACCESSIBLE.items():
            text = text.replace(old, new)
        context[part] = text


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what this file adds to Sphinx."""
    app.connect("source-read", read_page)
    app.connect("html-page-context", make_accessible, priority=900)  # after Furo
    return {"parallel_read_safe": True}
