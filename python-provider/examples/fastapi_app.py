"""A FastAPI application with a provider for the lifetime of the application.

PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… \\
    uvicorn --app-dir examples fastapi_app:app
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from pennon_openfeature import PennonProvider


def start_flags() -> None:
    provider = PennonProvider(cache_file=os.environ.get("PENNON_CACHE_FILE"))
    try:
        api.set_provider_and_wait(provider)
    except OpenFeatureError as error:
        # The application starts with default values, and flags are used once they arrive.
        logging.getLogger(__name__).warning("no flags yet: %s", error.error_message)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    # In a thread, because waiting for the first flags would block the event loop.
    await run_in_threadpool(start_flags)
    yield
    await run_in_threadpool(api.shutdown)


app = FastAPI(lifespan=lifespan)


@app.get("/checkout/{user}")
async def checkout(user: str) -> dict[str, str]:
    client = api.get_client()
    is_new = await client.get_boolean_value_async("new-checkout", False, EvaluationContext(user))
    return {"user": user, "checkout": "new" if is_new else "old"}
