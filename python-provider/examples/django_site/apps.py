"""Sets the provider when Django is ready. Forked workers follow changes on their own."""

import logging

from django.apps import AppConfig
from django.conf import settings
from openfeature import api
from openfeature.exception import OpenFeatureError

from pennon_openfeature import PennonProvider


class FlagsConfig(AppConfig):
    name = "django_site"

    def ready(self) -> None:
        try:
            api.set_provider_and_wait(PennonProvider(**settings.PENNON))
        except OpenFeatureError as error:
            # The site starts with default values, until flags arrive.
            logging.getLogger(__name__).warning("no flags yet: %s", error.error_message)
