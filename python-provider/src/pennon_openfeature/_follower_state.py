"""The data and the status of a follower."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._errors import SyncError
from ._flag_set import FlagSet, FlagSetUpdate
from ._process import Pause, check
from ._source_age import stale_source_error

# connecting: at the start, and while the data are being confirmed again.
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
    # The process may have missed changes, and the server has not confirmed the data since then.
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class FollowerCallbacks:
    # Receives new data, on the follower's thread. Returns the data to keep. Raises SyncError if
    # they cannot be used.
    on_data: Callable[[FlagSetUpdate], FlagSet]
    # Called when the mode changes or an error occurs, and after `on_data`, on any thread.
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
        self._is_outdated = False
        # Grows when the data must be confirmed again. Requests of an earlier generation are void.
        self._generation = 0
        # The generations of the current request, and of the last ones that succeeded and failed.
        self._attempt = self._confirmed = self._failed = -1
        # The generation that callers of `refresh` wait for, until its request has an outcome.
        self._awaited = -1
        # The generation of the last request that was sent.
        self._sent = -1
        # Guards the fields above, and is notified when they change. Not held during callbacks.
        self._changed = threading.Condition()

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
            self.mode,
            revision,
            age_ms,
            self._source,
            self._last_error,
            self._source_age_ms,
            self._is_outdated,
        )

    @property
    def is_expired(self) -> bool:
        """Whether the data must be requested at once, as at the start."""
        return self._attempt != self._generation

    @property
    def is_confirmed(self) -> bool:
        return self._confirmed == self._generation

    @property
    def _is_known_outdated(self) -> bool:
        """Whether the mode, with its reason, remains until the server confirms the data."""
        return self._mode in ("disconnected", "stale")

    def begin(self) -> None:
        """Must be called before each request."""
        self._attempt = self._generation

    def mark_sent(self) -> None:
        """Must be called when the request of `begin` is sent."""
        self._sent = self._attempt

    def set_data(self, update: FlagSetUpdate, source: Literal["stream", "poll"]) -> None:
        """Takes data that the server has sent, or confirmed if they are the current ones.

        Raises SyncError if they are older, and the server is cut off from its store: another server
        had newer data.
        """
        # What was sent before a pause may be out of date.
        check()
        if self._is_void():
            return
        stale = stale_source_error(update.source_age_ms)
        if stale is not None and self._is_older(update.flag_set):
            raise stale
        if update.flag_set is not self._data:
            self._data = self._callbacks.on_data(update)
        with self._changed:
            if self._is_void():
                return
            self._source_age_ms = update.source_age_ms
            self._current_at = time.monotonic() - (update.source_age_ms or 0) / 1_000
            self._source = source
            self._is_outdated = False
            confirmed = self._attempt
            if stale is not None and self._mode != "stale":
                self._last_error = last_error_of(stale)
        if stale is not None:
            self.set_mode("stale")
        else:
            self.set_mode("streaming" if source == "stream" else "polling")
        self._confirm(confirmed)

    def _confirm(self, generation: int) -> None:
        """Ends the wait of `refresh`. Only after the callbacks, so that its callers find the status
        that follows from the data.
        """
        with self._changed:
            self._confirmed = generation
            if self._awaited == generation:
                self._awaited = -1
            self._changed.notify_all()

    def _is_older(self, flag_set: FlagSet) -> bool:
        return self._data is not None and (flag_set.revision or 0) < (self._data.revision or 0)

    def set_mode(self, mode: FollowerMode) -> None:
        with self._changed:
            if self._mode == mode or self._is_void():
                return
            self._mode = mode
        self._callbacks.on_status()

    def set_error(self, error: SyncError, mode: FollowerMode | None = None) -> None:
        with self._changed:
            if self._is_void():
                return
            self._last_error = last_error_of(error)
            self._mode = mode or self._mode
            if error.is_auth_error or error.is_request_error:
                self._failed = self._attempt
            self._awaited = -1
            self._changed.notify_all()
        self._callbacks.on_status()

    def _is_void(self) -> bool:
        """Whether the current request no longer counts."""
        return self._is_stopped or self.is_expired

    def expire(self) -> None:
        """Requires a confirmation by a request that begins from now on."""
        with self._changed:
            self._generation += 1
            if not self._is_known_outdated:
                self._mode = "connecting"
            self._changed.notify_all()
        self._callbacks.on_status()

    def expire_after(self, pause: Pause, *, is_outdated: bool) -> None:
        """The same after a time in which changes may have been missed."""
        with self._changed:
            self._is_outdated = self._is_outdated or is_outdated
            if pause.is_long and not self._is_known_outdated:
                self._last_error = last_error_of(pause.reason)
            if self._current_at is not None:
                self._current_at -= pause.missed_s
        self.expire()

    def expect_confirmation(self) -> int:
        """Returns the generation to wait for. Callers share it until its request has an outcome.

        Preceded by `wait_for_earlier_call`, so that the request is sent after the call.
        """
        with self._changed:
            generation = self._generation
            if self._awaited == generation:
                return generation
            self._awaited = generation + 1
        self.expire()
        return generation + 1

    def wait_for_earlier_call(self, deadline: float) -> bool:
        """Waits while a request is under way that was sent for another caller of `refresh`.

        It may have been sent before a change. Returns False at the deadline.
        """
        with self._changed:
            earlier = self._generation
            if not (self._awaited == earlier == self._sent):
                return True
            return self._changed.wait_for(
                lambda: self._is_stopped or self._awaited != earlier or self._generation != earlier,
                max(0.0, deadline - time.monotonic()),
            )

    def wait_until_confirmed(self, generation: int, deadline: float) -> bool:
        """Returns False at the deadline, and earlier if trying again does not help."""
        with self._changed:
            is_decided = self._changed.wait_for(
                lambda: self._is_stopped or max(self._confirmed, self._failed) >= generation,
                max(0.0, deadline - time.monotonic()),
            )
            if not is_decided:
                # The next caller need not wait for the next attempt.
                self._awaited = -1
            is_confirmed = self._confirmed >= generation and not self._is_stopped
            return is_confirmed and stale_source_error(self._source_age_ms) is None

    def stop(self) -> None:
        """Ends all changes and callbacks."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
