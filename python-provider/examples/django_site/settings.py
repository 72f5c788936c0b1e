"""The settings of the site. `PENNON` contains the options of the provider."""

import os

SECRET_KEY = "an-example"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_site.urls"
INSTALLED_APPS = ["django_site.apps.FlagsConfig"]
USE_TZ = True

# The URL and the key are in PENNON_URL and PENNON_KEY.
PENNON = {"cache_file": os.environ.get("PENNON_CACHE_FILE")}
