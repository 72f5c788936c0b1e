"""How current the servers are that evaluate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from ._errors import SyncError
from ._source_age import stale_source_error
from ._sources import Freshness
from ._timing import Timing


class _Stale(NamedTuple):
    error: SyncError
    # On the monotonic clock.
    at: float
    age_ms: float


class RemoteSource:
    """Takes the source age of each response.

    While the servers are not current, it probes at intervals, so no evaluation has to find out
    that they are again.
    """

    def __init__(
        self, timing: Timing, probe: Callable[[float], bool], on_change: Callable[[], None]
    ) -> None:
        """`probe` waits for some seconds and probes, or returns False because it is closed."""
        self._timing = timing
        self._probe = probe
        self._on_change = on_change
        self._stale: _Stale | None = None
        self._checks: threading.Thread | None = None

    @property
    def stale_error(self) -> SyncError | None:
        """Why results may be out of date, or None while the servers are current."""
        stale = self._stale
        return stale.error if stale else None

    def freshness(self, of_flag_set: Freshness) -> Freshness:
        """The freshness of the flag set, unless that of the results is worse."""
        stale = self._stale
        if stale is None:
            return of_flag_set
        age_ms = (time.monotonic() - stale.at) * 1_000 + stale.age_ms
        return replace(of_flag_set, mode="stale", data_age_ms=age_ms, source_age_ms=stale.age_ms)

    def report(self, age_ms: float | None) -> None:
        error, previous = stale_source_error(age_ms), self._stale
        if error is not None and age_ms is not None:
            self._stale = _Stale(error, time.monotonic(), age_ms)
            if previous is None:
                self._on_change()
            self._check_again()
        elif previous is not None and self._is_calm(previous):
            self._stale = None
            self._on_change()

    def _is_calm(self, stale: _Stale) -> bool:
        """A load balancer may alternate between servers, so one current response is not enough."""
        return (time.monotonic() - stale.at) * 1_000 >= self._timing.source_calm_ms

    def _check_again(self) -> None:
        if self._checks is not None and self._checks.is_alive():
            return
        checks = threading.Thread(target=self._check, name="pennon-source", daemon=True)
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            checks.start()
            self._checks = checks

    def _check(self) -> None:
        while self._stale is not None and self._probe(self._timing.source_check_delay() / 1_000):
            pass

    def after_fork(self) -> None:
        """The next response that is not current starts another thread."""
        self._checks = None
