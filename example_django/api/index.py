"""The entry point: one object for Vercel, AWS Lambda, and every ASGI or WSGI server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The project lies one folder above this file, wherever the host has started.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Vercel reads this file without running it and deploys the first top-level `app` or `application`,
# imports included. So Django's `application` comes in under another name.
from guestbook.database import migrate
from guestbook.wsgi import application as django_application

import unigate

if os.environ.get("DJANGO_MIGRATE") == "1":
    migrate()

app = unigate.wrap(django_application)
