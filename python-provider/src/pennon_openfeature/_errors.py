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


# With which a server rejects a key.
_AUTH_ERROR_CODES = ("UNAUTHORIZED", "FORBIDDEN")


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
    code = server_error.code if server_error else None
    if is_auth_status(status) and code not in _AUTH_ERROR_CODES:
        # Pennon rejects a key with such an error in the body, so this concerns something else.
        return SyncError(f"a proxy or gateway in front of the server responded with {status}")
    reason = f": {server_error.message}" if server_error else ""
    return SyncError(
        f"the server responded with {status}{reason}",
        status=status,
        server_error=server_error,
        retry_after_ms=_parse_retry_after(headers),
    )


def error_from_event(error: object) -> SyncError:
    """Converts the event `error`, with which a server ends a stream after a failure."""
    server_error = _server_error_in(error) or ServerError("an error", "")
    return SyncError(
        f"the server ended the stream with {server_error.code}: {server_error.message}"
    )


def _server_error_in(error: object) -> ServerError | None:
    """The error of a Pennon server. Those of other servers have other forms."""
    if not isinstance(error, dict):
        return None
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    return ServerError(code, message)


def _parse_retry_after(headers: Mapping[str, str]) -> float:
    """Parses seconds or an HTTP date into milliseconds from now. Returns 0 for anything else."""
    header = headers.get("retry-after", "")
    is_seconds = header.isascii() and header.isdigit()
    if is_seconds:
        delay_ms = float(header[:10]) * 1_000
    else:
        delay_ms = _ms_until(header, server_date=headers.get("date", ""))
    return min(max(delay_ms, 0), LONGEST_RETRY_AFTER_MS)


def _ms_until(date: str, *, server_date: str) -> float:
    """By the clock of the server, because that of this machine may be wrong."""
    until, now = _seconds_of(date), _seconds_of(server_date)
    if until is None:
        return 0
    return (until - (time.time() if now is None else now)) * 1_000


def _seconds_of(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
