"""Wagtail: its welcome page, admin, API, documents, images and redirects, in one file."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

FOLDER = Path(os.environ["SITE_FOLDER"])
DATABASE = FOLDER / "wagtail.sqlite3"

settings.configure(
    SECRET_KEY="a secret",
    ALLOWED_HOSTS=["shop.example"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE,
            "OPTIONS": {"init_command": "PRAGMA synchronous=OFF"},  # no wait for the disk
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "wagtail.contrib.redirects",
        "wagtail.contrib.sitemaps",
        "wagtail.api.v2",
        "wagtail.embeds",
        "wagtail.sites",
        "wagtail.users",
        "wagtail.documents",
        "wagtail.images",
        "wagtail.search",
        "wagtail.admin",
        "wagtail",
        "modelcluster",
        "taggit",
        "rest_framework",
        "django_filters",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.sitemaps",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.http.ConditionalGetMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "wagtail.contrib.redirects.middleware.RedirectMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    MEDIA_ROOT=FOLDER / "media",
    MEDIA_URL="/media/",
    USE_TZ=True,
    TIME_ZONE="UTC",
    WAGTAIL_SITE_NAME="a site",
    WAGTAILADMIN_BASE_URL="http://shop.example",
    WAGTAIL_ENABLE_UPDATE_CHECK=False,
    WAGTAILDOCS_EXTENSIONS=["txt", "bin"],
)
application = get_wsgi_application()

from django.urls import include, path  # noqa: E402  # these need the applications of Django
from django.views.static import serve  # noqa: E402
from wagtail import urls as pages  # noqa: E402
from wagtail.admin import urls as admin  # noqa: E402
from wagtail.api.v2.router import WagtailAPIRouter  # noqa: E402
from wagtail.api.v2.views import PagesAPIViewSet  # noqa: E402
from wagtail.contrib.sitemaps.views import sitemap  # noqa: E402
from wagtail.documents import urls as documents  # noqa: E402

api = WagtailAPIRouter("api")
api.register_endpoint("pages", PagesAPIViewSet)

urlpatterns = [
    path("admin/", include(admin)),
    path("documents/", include(documents)),
    path("api/", api.urls),
    path("sitemap.xml", sitemap),
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include(pages)),
]


def prepare() -> None:
    """Make the database, with a page, a redirect and a user."""
    from django.contrib.auth import get_user_model
    from wagtail.contrib.redirects.models import Redirect

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("ada", "ada@shop.example", "a password")
    Redirect.add_redirect("/old", redirect_to="/é/?a=1&b=ü", is_permanent=True)
