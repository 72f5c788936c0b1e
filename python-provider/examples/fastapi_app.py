"""A FastAPI application with a provider for the lifetime of the application.

PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… \\
    uvicorn --app-dir examples fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from pennon_openfeature import PennonProvider


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    provider = PennonProvider(
        url=os.environ["PENNON_URL"],
        key=os.environ["PENNON_KEY"],
        cache_file=os.environ.get("PENNON_CACHE_FILE"),
    )
    # In a thread, because waiting for the first flags would block the event loop.
    await run_in_threadpool(api.set_provider_and_wait, provider)
    yield
    await run_in_threadpool(api.shutdown)


app = FastAPI(lifespan=lifespan)


@app.get("/checkout/{user}")
async def checkout(user: str) -> dict[str, str]:
    client = api.get_client()
    is_new = await client.get_boolean_value_async("new-checkout", False, EvaluationContext(user))
    return {"user": user, "checkout": "new" if is_new else "old"}
