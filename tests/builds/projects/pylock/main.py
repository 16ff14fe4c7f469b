"""A small application for every target."""

from __future__ import annotations

import flask

import unigate

site = flask.Flask(__name__)


@site.get("/")
def home() -> str:
    return "home"


app = unigate.wrap(site)
