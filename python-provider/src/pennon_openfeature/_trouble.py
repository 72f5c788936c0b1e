"""What goes wrong on the way to the server, and what is known of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# A server that asks to be left alone for longer is not believed.
LONGEST_RETRY_AFTER_MS = 3_600_000


class Trouble(Exception):  # noqa: N818 - it is no error of the caller, and most of it passes
    """One request or stream that failed."""

    def __init__(  # noqa: PLR0913 - facts, by keyword
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        said: str | None = None,
        retry_after_ms: float = 0,
        gap: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        # The HTTP status and the error's code, where the server answered them.
        self.status = status
        self.code = code
        # What the server said, without how it said it.
        self.said = said or message
        self.retry_after_ms = retry_after_ms
        # What came does not follow what went before: the data are not to be trusted.
        self.gap = gap

    @property
    def is_ours(self) -> bool:
        """The question itself is refused: other questions may well be answered."""
        return self.status in (400, 413)

    @property
    def is_refusal(self) -> bool:
        """The key is not accepted: trying again soon is of no use."""
        return self.status in (401, 403)


def as_trouble(error: Exception) -> Trouble:
    if isinstance(error, Trouble):
        return error
    return Trouble(f"{type(error).__name__}: {error}")


def retry_after_ms(header: str | None) -> float:
    """Seconds or an HTTP date, as milliseconds from now; 0 where it is neither."""
    if header is None:
        return 0
    is_seconds = header.isascii() and header.isdigit()
    wanted = float(header[:10]) * 1_000 if is_seconds else _until(header)
    return min(max(wanted, 0), LONGEST_RETRY_AFTER_MS)


def _until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date).timestamp() - time.time()) * 1_000
    except (ValueError, OverflowError):
        return 0


def unsuccessful(status: int, headers: Mapping[str, str], error: object) -> Trouble:
    """An answer that is no success, with what the server said about it."""
    said = error if isinstance(error, dict) else {}
    reason = f": {said['message']}" if "message" in said else ""
    code = said.get("code")
    return Trouble(
        f"the server answered {status}{reason}",
        status=status,
        code=code if isinstance(code, str) else None,
        said=str(said["message"]) if "message" in said else None,
        retry_after_ms=retry_after_ms(headers.get("retry-after")),
    )
