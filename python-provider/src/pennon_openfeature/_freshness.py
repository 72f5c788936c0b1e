"""How current the flags of a provider are, and why."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._errors import SyncError

# connecting: at the start, and after a stream was lost.
# streaming: changes arrive immediately.
# polling: there is no stream, and polls succeed.
# disconnected: polls fail too, so the flags may be out of date.
# stopped: the provider is not running.
# file: the flags come from an offline file.
# flags: the flags come from the application.
Mode: TypeAlias = Literal[
    "connecting", "streaming", "polling", "disconnected", "stopped", "file", "flags"
]

# Where the current flags came from.
Source: TypeAlias = Literal[
    "none", "cache_file", "bootstrap", "stream", "poll", "offline_file", "flags"
]


@dataclass(frozen=True, slots=True)
class LastError:
    message: str
    # The HTTP status, if the server responded. 401 and 403 mean that it rejected the key.
    status: int | None
    # When the error occurred, in milliseconds since 1970.
    at: float


@dataclass(frozen=True, slots=True)
class Freshness:
    mode: Mode
    revision: int | None = None
    # Milliseconds since the server last sent or confirmed the flags, or since the file was read.
    data_age_ms: float | None = None
    source: Source = "none"
    # Kept after recovery; `mode` shows whether the problem persists.
    last_error: LastError | None = None


def last_error_of(error: Exception | str) -> LastError:
    status = error.status if isinstance(error, SyncError) else None
    return LastError(str(error), status, time.time() * 1_000)
