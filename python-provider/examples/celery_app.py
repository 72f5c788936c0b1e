"""A Celery worker that sets the provider before its processes are forked.

PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… CELERY_BROKER_URL=redis://… \\
    celery --workdir examples -A celery_app worker
"""

import logging
import os

from celery import Celery
from celery.signals import worker_init, worker_shutdown
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from pennon_openfeature import PennonProvider

app = Celery("shop", backend=os.environ.get("CELERY_RESULT_BACKEND"))


# In the parent: every process of the pool evaluates immediately, and follows changes on its own.
@worker_init.connect
def start_flags(**_arguments: object) -> None:
    provider = PennonProvider(cache_file=os.environ.get("PENNON_CACHE_FILE"))
    try:
        api.set_provider_and_wait(provider)
    except OpenFeatureError as error:
        # Tasks get default values, and flags are used once they arrive.
        logging.getLogger(__name__).warning("no flags yet: %s", error.error_message)


@worker_shutdown.connect
def stop_flags(**_arguments: object) -> None:
    api.shutdown()


@app.task
def checkout(user: str) -> str:
    is_new = api.get_client().get_boolean_value("new-checkout", False, EvaluationContext(user))
    return "new" if is_new else "old"
