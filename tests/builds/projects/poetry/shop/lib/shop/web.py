"""A small application for every target."""

from __future__ import annotations

import common
import flask

import unigate

site = flask.Flask(__name__)


@site.get("/")
def home() -> str:
    return f"home {common.NAME}"


app = unigate.wrap(site)
