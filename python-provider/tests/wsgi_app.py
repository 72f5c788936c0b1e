"""A WSGI application that sets its provider before the workers are forked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from pennon_openfeature import PennonProvider, _process

# Longer than a busy server needs to respond.
LIMIT_MS = 60_000
_process.GRACE_MS = LIMIT_MS
provider = PennonProvider(init_timeout_ms=LIMIT_MS)
api.set_provider_and_wait(provider)

if os.environ.get("APPLICATION") == "replaces the hook":
    # As `uwsgidecorators` does when it is imported.
    uwsgi: Any = sys.modules["uwsgi"]
    uwsgi.post_fork_hook = lambda: None


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    client = api.get_client()
    if environ["PATH_INFO"] == "/status":
        start_response("200 OK", [("content-type", "text/plain"), ("connection", "close")])
        return [client.get_provider_status().value.encode()]
    context = EvaluationContext(environ["QUERY_STRING"] or None)
    result = "on" if client.get_boolean_value("new-checkout", False, context) else "off"
    status = client.get_provider_status().value
    start_response("200 OK", [("content-type", "text/plain"), ("connection", "close")])
    return [f"{os.getpid()} {result} {status} {provider.freshness().mode}".encode()]
