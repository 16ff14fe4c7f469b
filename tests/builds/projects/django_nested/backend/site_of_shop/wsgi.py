"""The application of the site."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "site_of_shop.settings"
application = get_wsgi_application()
