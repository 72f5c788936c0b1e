"""How current the servers are that evaluate."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from ._errors import SyncError
from ._process import Pause
from ._source_age import stale_source_error
from ._sources import Freshness, FreshnessMode
from ._timing import Timing


class _Response(NamedTuple):
    # On the monotonic clock.
    at: float
    source_age_ms: float | None

    @property
    def age_ms(self) -> float:
        return (time.monotonic() - self.at) * 1_000 + (self.source_age_ms or 0)


class _Stale(NamedTuple):
    error: SyncError
    response: _Response
    # Whether the servers were current for a short time only.
    is_repeated: bool


class RemoteSource:
    """Takes the source age of each response.

    While results do not count as current, it probes at intervals, so no evaluation has to find out
    that they do again.
    """

    def __init__(
        self, timing: Timing, probe: Callable[[float], bool], on_change: Callable[[], None]
    ) -> None:
        """`probe` waits for some seconds and probes, or returns False because it is closed."""
        self._timing = timing
        self._probe = probe
        self._on_change = on_change
        self._last: _Response | None = None
        self._stale: _Stale | None = None
        # Why the servers must respond before results count as current.
        self._unconfirmed: SyncError | None = None
        # When the servers were current again, on the monotonic clock.
        self._recovered_at = -math.inf
        self._checks: threading.Thread | None = None

    @property
    def is_silent(self) -> bool:
        """Whether no response has come for longer than a heartbeat of a stream takes."""
        last = self._last
        return last is None or (time.monotonic() - last.at) * 1_000 > self._timing.heartbeat_ms

    @property
    def stale_error(self) -> SyncError | None:
        """Why results may be out of date, or None while the servers are current."""
        stale = self._stale
        return stale.error if stale else self._unconfirmed

    def freshness(self, of_flag_set: Freshness, *, is_followed: bool) -> Freshness:
        """The freshness of the flag set, unless that of the results is worse.

        A key that only evaluates follows no flag set, so that of the results counts.
        """
        stale, last = self._stale, self._last
        if stale is not None:
            return _with_response(of_flag_set, "stale", stale.response)
        if is_followed or last is None:
            return of_flag_set
        mode: FreshnessMode = "connecting" if self._unconfirmed else "polling"
        return replace(_with_response(of_flag_set, mode, last), source="poll")

    def report(self, age_ms: float | None) -> None:
        error, previous = stale_source_error(age_ms), self._stale
        response = self._last = _Response(time.monotonic(), age_ms)
        was_unconfirmed, self._unconfirmed = self._unconfirmed is not None, None
        if error is not None:
            is_repeated = previous.is_repeated if previous else self._was_stale_recently()
            self._stale = _Stale(error, response, is_repeated)
            if previous is None:
                self._on_change()
            self._check_again(self._timing.source_check_delay() / 1_000)
        elif previous is not None and self._is_over(previous):
            self._stale, self._recovered_at = None, response.at
            self._on_change()
        elif was_unconfirmed:
            self._on_change()

    def after_pause(self, pause: Pause, *, is_followed: bool) -> None:
        """After a long pause, results that nothing confirms otherwise count as out of date."""
        if self._last is not None:
            self._last = self._last._replace(at=self._last.at - pause.missed_s)
        if self._stale is not None:
            response = self._stale.response
            response = response._replace(at=response.at - pause.missed_s)
            self._stale = self._stale._replace(response=response)
        if is_followed or pause.seconds * 1_000 <= self._timing.idle_timeout_ms:
            return
        self._unconfirmed = SyncError(pause.reason)
        self._on_change()
        self._check_again(0)

    def _was_stale_recently(self) -> bool:
        """A load balancer that alternates between servers is one reason."""
        return (time.monotonic() - self._recovered_at) * 1_000 < self._timing.source_repeat_ms

    def _is_over(self, stale: _Stale) -> bool:
        """One current response is not enough if the servers alternate."""
        if not stale.is_repeated:
            return True
        return (time.monotonic() - stale.response.at) * 1_000 >= self._timing.source_calm_ms

    def _check_again(self, delay_s: float) -> None:
        if self._checks is not None and self._checks.is_alive():
            return
        checks = threading.Thread(
            target=self._check, args=(delay_s,), name="pennon-source", daemon=True
        )
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            checks.start()
            self._checks = checks

    def _check(self, delay_s: float) -> None:
        while self.stale_error is not None and self._probe(delay_s):
            delay_s = self._timing.source_check_delay() / 1_000

    def after_fork(self) -> None:
        """The next response that is not current starts another thread."""
        self._checks = None


def _with_response(freshness: Freshness, mode: FreshnessMode, response: _Response) -> Freshness:
    return replace(
        freshness,
        mode=mode,
        data_age_ms=response.age_ms,
        source_age_ms=response.source_age_ms,
    )
