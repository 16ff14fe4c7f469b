"""A small application for every target."""

from __future__ import annotations

import flask

import unigate
from shop import tools

site = flask.Flask(__name__)


@site.get("/")
def home() -> str:
    return f"home {tools.NAME}"


app = unigate.wrap(site)
