"""The Celery example with messages in files instead of a broker."""

from __future__ import annotations

import os

from celery_app import app, checkout

__all__ = ["app", "checkout"]

app.conf.broker_transport_options = {
    "data_folder_in": os.environ["CELERY_MESSAGES"],
    "data_folder_out": os.environ["CELERY_MESSAGES"],
    "control_folder": os.environ["CELERY_MESSAGES"],
}
