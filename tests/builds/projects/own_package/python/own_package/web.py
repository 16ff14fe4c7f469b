"""A small application for every target."""

from __future__ import annotations

import flask

import unigate
from own_package import __version__

site = flask.Flask(__name__)


@site.get("/")
def home() -> str:
    return f"home {__version__}"


app = unigate.wrap(site)
