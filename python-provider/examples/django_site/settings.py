"""The settings of the site. `PENNON` contains the options of the provider."""

import os

SECRET_KEY = "an-example"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_site.urls"
INSTALLED_APPS = ["django_site.apps.FlagsConfig"]
USE_TZ = True

PENNON = {
    "url": os.environ["PENNON_URL"],
    "key": os.environ["PENNON_KEY"],
    "init_timeout_ms": 2_000,
    "cache_file": os.environ.get("PENNON_CACHE_FILE"),
}
