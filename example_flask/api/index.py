"""The entry point: one object for Vercel, AWS Lambda, and every ASGI or WSGI server."""

from __future__ import annotations

import sys
from pathlib import Path

# The two modules lie one folder above this file, wherever the host has started.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Vercel reads this file without running it and deploys the first top-level `app` or `application`,
# imports included. So the inner applications come in under other names.
from notes_api import fastapi_app
from site_app import flask_app

import unigate

app = unigate.wrap(flask_app, mounts={"/v2": fastapi_app})
