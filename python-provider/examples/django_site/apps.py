"""Sets the provider once Django is ready; forked workers then follow on their own."""

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
            # The site starts all the same: with default values, until the flags come.
            logging.getLogger(__name__).warning("no flags yet: %s", error.error_message)
