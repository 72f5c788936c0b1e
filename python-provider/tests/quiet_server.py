"""A base for the HTTP servers of the tests, whose clients come and go."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    # Many threads of one test may connect at the same time.
    request_queue_size = 128
    # A request that hangs must not delay the end of the test.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """In many tests, the client closes the connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
