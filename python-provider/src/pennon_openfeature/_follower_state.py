"""The data and the status of a follower."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._errors import SyncError
from ._flag_set import FlagSet, FlagSetUpdate
from ._source_age import stale_source_error

# connecting: at the start, and after a stream was lost.
# streaming: changes arrive immediately.
# polling: there is no stream, and polls succeed.
# stale: the server responds, but it is cut off from its store, so its own data may be out of date.
# disconnected: polls fail too, so the data may be out of date.
# stopped: `stop` was called.
FollowerMode: TypeAlias = Literal[
    "connecting", "streaming", "polling", "stale", "disconnected", "stopped"
]

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
    # Milliseconds since the data were last known to be current in the server's store.
    data_age_ms: float | None
    source: DataSource
    # Kept after recovery; `mode` shows whether the problem persists.
    last_error: LastError | None
    # How old the server's own data were when it last sent something, if it reported that.
    source_age_ms: float | None


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
        # When the data were last known to be current, on the monotonic clock.
        self._current_at = current_at
        self._mode: FollowerMode = "connecting"
        self._source: DataSource = "none"
        self._source_age_ms: float | None = None
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
        return FollowerStatus(
            self.mode, revision, age_ms, self._source, self._last_error, self._source_age_ms
        )

    def set_data(self, update: FlagSetUpdate, source: Literal["stream", "poll"]) -> None:
        """Takes data that the server has sent, or confirmed if they are the current ones.

        Raises SyncError if they are older, and the server is cut off from its store: another server
        had newer data.
        """
        if self._is_stopped:
            return
        stale = stale_source_error(update.source_age_ms)
        if stale is not None and self._is_older(update.flag_set):
            raise stale
        if update.flag_set is not self._data:
            self._data = self._callbacks.on_data(update)
        self._source_age_ms = update.source_age_ms
        self._current_at = time.monotonic() - (update.source_age_ms or 0) / 1_000
        self._source = source
        if stale is None:
            self.set_mode("streaming" if source == "stream" else "polling")
        elif self._mode != "stale":
            self._last_error = last_error_of(stale)
            self.set_mode("stale")

    def _is_older(self, flag_set: FlagSet) -> bool:
        return self._data is not None and (flag_set.revision or 0) < (self._data.revision or 0)

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
