"""A WSGI application that sets its provider before the workers are forked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from openfeature import api

from pennon_openfeature import PennonProvider

api.set_provider_and_wait(
    PennonProvider(url=os.environ["PENNON_URL"], key=os.environ["PENNON_KEY"])
)


def application(
    _environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    is_on = api.get_client().get_boolean_value("new-checkout", False)
    start_response("200 OK", [("content-type", "text/plain"), ("connection", "close")])
    return [f"{os.getpid()} {'on' if is_on else 'off'}".encode()]
