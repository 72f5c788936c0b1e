"""How current the data are, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# connecting: at the start, and after a stream was lost. streaming: every change comes at once.
# polling: the stream is down or not wanted, and the server answers when asked.
# disconnected: the server answers neither; the data may be out of date. stopped: by its owner.
# file: a file is followed, and no server.
Mode: TypeAlias = Literal["connecting", "streaming", "polling", "disconnected", "stopped", "file"]

# Where the data came from.
Source: TypeAlias = Literal["none", "cache_file", "bootstrap", "stream", "poll", "offline_file"]


@dataclass(frozen=True, slots=True)
class LastError:
    message: str
    # The HTTP status, where the server answered one. 401 and 403: it refuses the key.
    status: int | None
    # When it happened, in milliseconds since 1970.
    at: float


@dataclass(frozen=True, slots=True)
class Freshness:
    mode: Mode
    revision: int | None = None
    # Since the server last said or showed that these are the data.
    data_age_ms: float | None = None
    source: Source = "none"
    # Kept when all is well again: `mode` says how things are now.
    last_error: LastError | None = None
