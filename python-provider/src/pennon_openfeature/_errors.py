"""Errors of requests and streams, with what is known about them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# Longer requests to wait are capped, so a misconfigured server cannot stop updates for good.
MAX_RETRY_AFTER_MS = 3_600_000


class SyncError(Exception):
    """One request or stream that failed."""

    def __init__(  # noqa: PLR0913 - attributes, by keyword
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        detail: str | None = None,
        retry_after_ms: float = 0,
        is_gap: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        # The HTTP status and the error code of the response, if the server sent one.
        self.status = status
        self.code = code
        # The server's own message, without the status in front.
        self.detail = detail or message
        self.retry_after_ms = retry_after_ms
        # The data do not continue from the previous ones, so they must be loaded again.
        self.is_gap = is_gap

    @property
    def is_client_error(self) -> bool:
        """Whether the request itself was invalid. Other requests may still succeed."""
        return self.status in (400, 413)

    @property
    def is_auth_error(self) -> bool:
        """Whether the server rejected the key. Retrying soon does not help."""
        return self.status in (401, 403)


def gap(message: str) -> SyncError:
    """An error after which the data must be loaded again."""
    return SyncError(message, is_gap=True)


def to_sync_error(error: Exception) -> SyncError:
    if isinstance(error, SyncError):
        return error
    return SyncError(f"{type(error).__name__}: {error}")


def error_from_response(status: int, headers: Mapping[str, str], error: object) -> SyncError:
    """The error for an unsuccessful response, including the server's reason if it sent one."""
    fields = error if isinstance(error, dict) else {}
    detail = str(fields["message"]) if "message" in fields else None
    code = fields.get("code")
    return SyncError(
        f"the server responded with {status}" + (f": {detail}" if detail is not None else ""),
        status=status,
        code=code if isinstance(code, str) else None,
        detail=detail,
        retry_after_ms=_retry_after_ms(headers.get("retry-after")),
    )


def _retry_after_ms(header: str | None) -> float:
    """Parses seconds or an HTTP date into milliseconds from now. Returns 0 for anything else."""
    if header is None:
        return 0
    is_seconds = header.isascii() and header.isdigit()
    delay_ms = float(header[:10]) * 1_000 if is_seconds else _ms_until(header)
    return min(max(delay_ms, 0), MAX_RETRY_AFTER_MS)


def _ms_until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date).timestamp() - time.time()) * 1_000
    except (ValueError, OverflowError):
        return 0
