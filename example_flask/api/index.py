"""The entry point: one object for Vercel, AWS Lambda, and every ASGI or WSGI server."""

from __future__ import annotations

import sys
from pathlib import Path

# The two modules are in the parent folder; the host may start in another one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Vercel parses this file without running it and deploys the first top-level name `app` or
# `application`, imports included. So the inner applications have other names.
from notes_api import fastapi_app
from site_app import flask_app

import unigate

app = unigate.wrap(flask_app, mounts={"/v2": fastapi_app})
