"""A small application for every target."""

from __future__ import annotations

import flask
from acme.tools import NAME

import unigate

site = flask.Flask(__name__)


@site.get("/")
def home() -> str:
    return f"home {NAME}"


app = unigate.wrap(site)
