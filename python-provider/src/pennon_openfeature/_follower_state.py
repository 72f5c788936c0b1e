"""The data and the status of a follower."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._errors import SyncError
from ._flag_set import FlagSet, FlagSetUpdate

# connecting: at the start, and after a stream was lost.
# streaming: changes arrive immediately.
# polling: there is no stream, and polls succeed.
# disconnected: polls fail too, so the data may be out of date.
# stopped: `stop` was called.
FollowerMode: TypeAlias = Literal["connecting", "streaming", "polling", "disconnected", "stopped"]

# Where the current data came from, or none if the server has not sent or confirmed any.
DataSource: TypeAlias = Literal["none", "stream", "poll"]


@dataclass(frozen=True, slots=True)
class LastError:
    message: str
    # The HTTP status, if the server responded. 401 and 403 mean that it rejected the key.
    status: int | None
    # When the error occurred, in milliseconds since 1970.
    at: float


def last_error_of(error: Exception | str) -> LastError:
    status = error.status if isinstance(error, SyncError) else None
    return LastError(str(error), status, time.time() * 1_000)


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How current a follower's data are."""

    mode: FollowerMode
    revision: int | None
    # Milliseconds since the server last sent or confirmed the data.
    data_age_ms: float | None
    source: DataSource
    # Kept after recovery; `mode` shows whether the problem persists.
    last_error: LastError | None


@dataclass(frozen=True, slots=True)
class FollowerCallbacks:
    """Called on the follower's thread, one at a time."""

    # Receives new data. Returns the data to keep. Raises SyncError if they cannot be used.
    on_data: Callable[[FlagSetUpdate], FlagSet]
    # Called when the mode changes or an error occurs, and after `on_data`.
    on_status: Callable[[], None]


class FollowerState:
    """The data of a follower, and how current they are. Each change calls the callbacks."""

    def __init__(
        self, callbacks: FollowerCallbacks, initial: FlagSet | None, current_at: float | None
    ) -> None:
        self._callbacks = callbacks
        self._data = initial
        # When the server last sent or confirmed the data, on the monotonic clock.
        self._current_at = current_at
        self._mode: FollowerMode = "connecting"
        self._source: DataSource = "none"
        self._last_error: LastError | None = None
        self._is_stopped = False

    @property
    def data(self) -> FlagSet | None:
        return self._data

    @property
    def current_at(self) -> float | None:
        return self._current_at

    @property
    def mode(self) -> FollowerMode:
        return "stopped" if self._is_stopped else self._mode

    def status(self) -> FollowerStatus:
        age_ms = None if self._current_at is None else (time.monotonic() - self._current_at) * 1_000
        revision = self._data.revision if self._data else None
        return FollowerStatus(self.mode, revision, age_ms, self._source, self._last_error)

    def set_data(self, update: FlagSetUpdate, source: Literal["stream", "poll"]) -> None:
        """Takes data that the server has sent, or confirmed if they are the current ones."""
        if self._is_stopped:
            return
        if update.flag_set is not self._data:
            self._data = self._callbacks.on_data(update)
        self._current_at = time.monotonic()
        self._source = source
        self.set_mode("streaming" if source == "stream" else "polling")

    def set_mode(self, mode: FollowerMode) -> None:
        if self._mode != mode and not self._is_stopped:
            self._mode = mode
            self._callbacks.on_status()

    def set_error(self, error: SyncError) -> None:
        self._last_error = last_error_of(error)
        if not self._is_stopped:
            self._callbacks.on_status()

    def stop(self) -> None:
        """Ends all changes and callbacks."""
        self._is_stopped = True
