"""The entry point: one object for Vercel, AWS Lambda, and every ASGI or WSGI server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The project is the parent folder; the host may start in another one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Vercel parses this file without running it and deploys the first top-level name `app` or
# `application`, imports included. So Django's `application` is imported under another name.
from guestbook.database import migrate
from guestbook.wsgi import application as django_application

import unigate

if os.environ.get("DJANGO_MIGRATE") == "1":
    migrate()

app = unigate.wrap(django_application)
