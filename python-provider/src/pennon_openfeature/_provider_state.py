"""The state of a provider, and the events that announce it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from openfeature.event import ProviderEvent, ProviderEventDetails

from ._process import is_before_fork
from ._sources import SourceState

logger = logging.getLogger("pennon_openfeature")

# starting: `initialize` is running. ready: the flags are current. stale: they may be out of date.
# unauthorized: it could not start because the server rejected the key.
# error: it could not start because no flags were available in time.
# closed: before `initialize`, and after `shutdown`.
ProviderState: TypeAlias = Literal["starting", "ready", "stale", "unauthorized", "error", "closed"]

Emit: TypeAlias = Callable[[ProviderEvent, ProviderEventDetails], None]


# What the source and the server result in. lost: the server does not serve the provider.
ServedState: TypeAlias = Literal["ready", "stale", "lost"]


def state_of(
    source: SourceState, *, evaluates_remotely: bool, is_remote_stale: bool
) -> ServedState | None:
    """The provider state for a state of its source, or None while that is connecting.

    `evaluates_remotely`: the server evaluates with a key that may not read the flag set.
    `is_remote_stale`: the servers that evaluate are cut off from their store.
    """
    if source in ("connecting", "stale"):
        return "stale" if source == "stale" else None
    if source == "ready" or (source == "unauthorized" and evaluates_remotely):
        return "stale" if is_remote_stale else "ready"
    return "lost"


class ProviderStateMachine:
    """Emits one event for each change of state, and none after `close`.

    The SDK itself emits READY or ERROR after `initialize` returns or raises. Until then, and for
    a moment afterwards, events are held back so they cannot arrive before the SDK's event. The
    status is not: it must not be READY for that moment if the flags may be out of date.
    """

    def __init__(
        self,
        emit: Emit,
        set_status: Emit,
        is_announced: Callable[[], bool],
        event_delay_ms: float,
    ) -> None:
        """`set_status` does what `emit` does to the status, and calls no handlers.
        `is_announced` returns whether the SDK has set the status that follows from the start.
        """
        self._emit = emit
        self._set_status = set_status
        self._is_announced = is_announced
        self._event_delay_s = event_delay_ms / 1_000
        # The SDK may call `correct_status` while it handles an event.
        self._lock = threading.RLock()
        self._state: ProviderState = "closed"
        self._next: ServedState | None = None
        self._message: str | None = None
        self._holds_events = False
        self._delay: threading.Timer | None = None

    @property
    def state(self) -> ProviderState:
        return self._state

    def start(self) -> None:
        with self._lock:
            self._state, self._next = "starting", None

    def finish_start(self, state: Literal["ready", "unauthorized", "error"]) -> None:
        """Called just before `initialize` returns or raises, which the SDK announces."""
        with self._lock:
            if self._state == "closed":
                return
            self._state, self._holds_events = state, True
            if not is_before_fork():
                self._start_delay()

    def _start_delay(self) -> None:
        self._delay = threading.Timer(self._event_delay_s, self._after_delay)
        self._delay.daemon = True
        self._delay.start()

    def update(self, state: ServedState, message: str | None = None) -> None:
        with self._lock:
            self._next, self._message = state, message
            if self._holds_events:
                self.correct_status()
            else:
                self._enter_next()

    def correct_status(self) -> None:
        """Sets the status of the change whose event is held back.

        Must also be called just after the SDK has announced the start, which sets the status.
        """
        if not self._holds_events:
            return
        with self._lock:
            state = self._following_state()
            if state in ("ready", "stale"):
                self._set_status(*self._event_of(state))

    def report_change(self, flag_keys: list[str]) -> None:
        with self._lock:
            # Nothing has been evaluated before the start, so there is nothing to invalidate.
            if flag_keys and self._state not in ("starting", "closed"):
                details = ProviderEventDetails(flags_changed=flag_keys)
                self._emit(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)

    def close(self) -> None:
        with self._lock:
            self._state, self._next, self._holds_events = "closed", None, False
            if self._delay is not None:
                self._delay.cancel()
                self._delay = None

    def after_fork(self) -> None:
        """A thread of the parent may hold the lock, and its timers do not run in the child."""
        self._lock = threading.RLock()
        self._end_delay()

    def _after_delay(self) -> None:
        with self._lock:
            if self._state == "closed":
                return
            # The thread of the SDK may be late on a busy machine.
            if self._is_announced():
                self._end_delay()
            else:
                self._start_delay()

    def _end_delay(self) -> None:
        with self._lock:
            self._delay, self._holds_events = None, False
            self._enter_next()

    def _enter_next(self) -> None:
        state = self._following_state()
        if state == self._state:
            return
        self._state = state
        if state == "ready":
            logger.info("the flags are current")
        else:
            logger.warning("the flags may be out of date: %s", self._message)
        self._emit(*self._event_of(state))

    def _following_state(self) -> ProviderState:
        """The state that the last update leads to."""
        if self._next is None or self._state in ("starting", "closed"):
            return self._state
        # A provider that never had flags cannot become stale; only new flags end its error.
        if self._state in ("unauthorized", "error") and self._next == "lost":
            return self._state
        return "ready" if self._next == "ready" else "stale"

    def _event_of(self, state: ProviderState) -> tuple[ProviderEvent, ProviderEventDetails]:
        if state == "ready":
            return ProviderEvent.PROVIDER_READY, ProviderEventDetails()
        return ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=self._message)
