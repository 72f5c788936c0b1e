"""Stops requests to a server that does not respond, so callers do not wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from ._errors import SyncError
from ._timing import Timing


class CircuitBreaker:
    """Opens after a failed request. After a delay, one request is let through as a trial."""

    def __init__(self, timing: Timing, trial_ms: float, on_change: Callable[[], None]) -> None:
        self._timing = timing
        # How long a trial may take before another one is let through.
        self._trial_s = trial_ms / 1_000
        # Called when the breaker trips or resets.
        self._on_change = on_change
        self._circuit_error: SyncError | None = None
        self._trial_at = 0.0
        self._failures = 0

    @property
    def circuit_error(self) -> SyncError | None:
        """The error that opened the breaker, or None while it is closed."""
        return self._circuit_error

    def seconds_until_trial(self) -> float:
        """How long no request may be sent."""
        if self._circuit_error is None:
            return 0
        return max(0.0, self._trial_at - time.monotonic())

    def admit_request(self) -> SyncError | None:
        """Must be called before each request.

        Returns the error to fail with, or None if the request may be sent. After a delay, the open
        breaker admits one request as a trial, and no other until that has timed out.
        """
        now = time.monotonic()
        if self._circuit_error is None or now < self._trial_at:
            return self._circuit_error
        self._trial_at = now + self._trial_s
        return None

    def trip(self, error: SyncError) -> None:
        delay_ms = max(
            error.retry_after_ms,
            self._timing.rejected_key_delay(error),
            self._timing.backoff_delay(self._failures),
        )
        self._failures += 1
        self._trial_at = time.monotonic() + delay_ms / 1_000
        self._circuit_error = error
        self._on_change()

    def reset(self) -> None:
        if self._circuit_error is not None:
            self._circuit_error, self._failures = None, 0
            self._on_change()
