"""Errors of requests and streams, with what is known about them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

# Longer requests to wait are capped, so a misconfigured server cannot stop updates for good.
LONGEST_RETRY_AFTER_MS = 3_600_000


class ServerError(NamedTuple):
    """The error in the body of a response."""

    code: str
    message: str


class SyncError(Exception):
    """Why a request or a stream failed."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        server_error: ServerError | None = None,
        retry_after_ms: float = 0,
        is_gap: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        # The HTTP status, if the server sent a response.
        self.status = status
        self.server_error = server_error
        # How long to wait before the next request, from the Retry-After header.
        self.retry_after_ms = retry_after_ms
        # An event did not follow from the previous one, so the data must be loaded again.
        self.is_gap = is_gap

    @property
    def is_context_error(self) -> bool:
        """Whether the server rejected the context of an evaluation. It may accept others."""
        return self.status in (400, 413)

    @property
    def is_auth_error(self) -> bool:
        """Whether the server rejected the key. Retrying soon does not help."""
        return is_auth_status(self.status)

    @property
    def is_request_error(self) -> bool:
        """Whether the same request will fail until the options or the server are corrected."""
        return is_request_status(self.status)


def is_auth_status(status: int | None) -> bool:
    return status in (401, 403)


_TEMPORARY_STATUSES = (408, 425, 429)


def is_request_status(status: int | None) -> bool:
    """Whether a request is rejected for itself, as one for an environment that does not exist."""
    if status is None or status in _TEMPORARY_STATUSES or is_auth_status(status):
        return False
    # A redirect to another origin is one, too.
    return 300 <= status < 500


def gap_error(message: str) -> SyncError:
    """An error after which the data must be loaded again, because they may be wrong."""
    return SyncError(message, is_gap=True)


def to_sync_error(error: Exception) -> SyncError:
    if isinstance(error, SyncError):
        return error
    if isinstance(error, TimeoutError):
        return SyncError("the server did not respond in time")
    return SyncError(f"{type(error).__name__}: {error}")


def error_from_response(status: int, headers: Mapping[str, str], error: object) -> SyncError:
    """Converts a response with an error status, including the error in its body."""
    server_error = _server_error_in(error)
    if is_auth_status(status) and server_error is None:
        # Pennon rejects a key with an error in the body, so this concerns something else.
        return SyncError(f"a proxy or gateway in front of the server responded with {status}")
    reason = f": {server_error.message}" if server_error else ""
    return SyncError(
        f"the server responded with {status}{reason}",
        status=status,
        server_error=server_error,
        retry_after_ms=_parse_retry_after(headers.get("retry-after")),
    )


def error_from_event(error: object) -> SyncError:
    """Converts the event `error`, with which a server ends a stream after a failure."""
    server_error = _server_error_in(error) or ServerError("an error", "")
    return SyncError(
        f"the server ended the stream with {server_error.code}: {server_error.message}"
    )


def _server_error_in(error: object) -> ServerError | None:
    if not isinstance(error, dict):
        return None
    return ServerError(str(error.get("code")), str(error.get("message")))


def _parse_retry_after(header: str | None) -> float:
    """Parses seconds or an HTTP date into milliseconds from now. Returns 0 for anything else."""
    if header is None:
        return 0
    is_seconds = header.isascii() and header.isdigit()
    delay_ms = float(header[:10]) * 1_000 if is_seconds else _ms_until(header)
    return min(max(delay_ms, 0), LONGEST_RETRY_AFTER_MS)


def _ms_until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date).timestamp() - time.time()) * 1_000
    except (ValueError, OverflowError):
        return 0
