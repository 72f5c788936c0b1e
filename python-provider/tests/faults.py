"""Ways in which the requests of a test server fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

Fault = Callable[[BaseHTTPRequestHandler], None]

# Limited, so a client that waits for the response fails its test.
_LONGEST_HANG_S = 120


def send_json(
    request: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    request.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("content-length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def fails_with(status: int, **headers: str) -> Fault:
    """The server responds with this status and an error."""

    code = {401: "UNAUTHORIZED", 403: "FORBIDDEN"}.get(status, "UNAVAILABLE")

    def fail(request: BaseHTTPRequestHandler) -> None:
        send_json(
            request,
            status,
            {"error": {"code": code, "message": "the test requires it"}},
            {name.replace("_", "-"): value for name, value in headers.items()},
        )

    return fail


class Hang:
    """The server accepts requests and sends no response before `release`."""

    def __init__(self, respond: Fault = lambda _request: None) -> None:
        """`respond` is called after `release`. Without it, the connection is closed."""
        self._respond = respond
        self._released = threading.Event()
        self._requested = threading.Event()

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self._requested.set()
        self._released.wait(_LONGEST_HANG_S)
        self._released.set()
        self._respond(request)

    @property
    def has_request(self) -> bool:
        """Whether a request has arrived."""
        return self._requested.is_set()

    @property
    def is_active(self) -> bool:
        return not self._released.is_set()

    def release(self) -> None:
        self._released.set()


def trickles(request: BaseHTTPRequestHandler) -> None:
    """The response never ends, but each byte arrives before a socket timeout."""
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", "1000000")
    request.end_headers()
    while True:
        request.wfile.write(b" ")
        time.sleep(0.02)


def truncates(request: BaseHTTPRequestHandler) -> None:
    """The response ends before its body is complete."""
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b'{"formatVersion": 1, "flags"')
