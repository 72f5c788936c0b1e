"""One run of a provider, from `initialize` to `shutdown`."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from openfeature.exception import GeneralError, ProviderFatalError
from openfeature.track import TrackingEventDetails

from ._engine import Failed, Served
from ._events import EventCounts, EventReporter
from ._flag_manager import FlagListener, FlagManager
from ._flag_set import FlagSet
from ._flag_snapshot import FlagSnapshot
from ._measured import Experiment, Measured
from ._options import Options
from ._process import Pause
from ._provider_state import ProviderStateMachine, state_of
from ._remote import RemoteEvaluator
from ._resolution import EvaluationResult, ResultWithTelemetry
from ._sources import Freshness
from ._timing import LONGEST_TIMER_MS
from ._usage_reporter import UsageReporter

# How long `stop` waits for threads that are connecting or inside a callback.
STOP_TIMEOUT_S = 1
# The same for the threads that report usage and events.
REPORT_TIMEOUT_S = 2
EXIT_TIMEOUT_S = 0.1


class Session:
    """The flags and, in remote mode, the remote evaluator; reports the state they result in."""

    def __init__(self, options: Options, state: ProviderStateMachine) -> None:
        self._options = options
        self._state = state
        listener = FlagListener(self._on_change, self._update_state)
        self._flags = FlagManager(options, listener)
        # Held while the state is determined and updated, which any thread may do.
        self._state_lock = threading.Lock()
        # None without a server, and if the application does not report what it gets.
        self._usage: UsageReporter | None = None
        if options.address is not None and options.usage:
            self._usage = UsageReporter(options.address, options.timing)
        self._events: EventReporter | None = None
        if options.address is not None and options.events:
            self._events = EventReporter(options)
        self._remote: RemoteEvaluator | None = None
        if options.mode == "remote":
            self._remote = RemoteEvaluator(
                options, lambda: self._flags.snapshot, self._update_state
            )

    def _reporters(self) -> list[UsageReporter | EventReporter]:
        return [each for each in (self._usage, self._events) if each is not None]

    def start(self) -> None:
        """Returns when flags can be evaluated, even with old flags.

        Raises ProviderFatalError if the server rejects the key, and GeneralError if there are no
        flags within `init_timeout_ms`. The session continues to try in both cases.
        """
        timeout_ms = min(self._options.init_timeout_ms, LONGEST_TIMER_MS)
        deadline = time.monotonic() + timeout_ms / 1_000
        if self._usage is not None:
            self._usage.start()
        self._flags.start()
        self._flags.wait_until_settled(deadline)
        source = self._flags.source_state
        if source == "ready":
            self._flags.wait_for_cache_file(deadline)
        elif source == "unauthorized":
            self._start_without_flag_set(deadline)
        elif self._flags.snapshot is None:
            raise GeneralError(self._no_flags_message())
        else:
            self._state.update("lost", self._last_error_message())
            # The server may have responded since then.
            self._update_state()

    def _start_without_flag_set(self, deadline: float) -> None:
        """In remote mode, a key that may only evaluate is enough."""
        if self._remote is None or self._remote.probe(deadline) is not None:
            message = self._last_error_message()
            raise ProviderFatalError(f"the server rejected the key: {message}")
        self._update_state()

    def _no_flags_message(self) -> str:
        if self._flags.source_state == "invalid":
            return f"no flags available: {self._last_error_message()}"
        timeout_ms = self._options.init_timeout_ms
        return f"no flags available within {timeout_ms:g} ms: {self._last_error_message()}"

    def _last_error_message(self) -> str:
        remote_error = (
            self._remote.circuit_error or self._remote.stale_error if self._remote else None
        )
        error = remote_error or self._flags.freshness().last_error
        if error is not None:
            return error.message
        is_offline = self._options.offline_file is not None
        return f"the {'offline file' if is_offline else 'server'} has not responded"

    def _on_change(self, snapshot: FlagSnapshot) -> None:
        # Before the event, so handlers that evaluate do not get cached results. Cached results
        # contain the version of their flag, which may be all that changed.
        if self._events is not None:
            self._events.release(snapshot.measured)
        if self._remote is not None:
            self._remote.invalidate({*snapshot.affected, *snapshot.changed})
        self._state.report_change(snapshot.affected)

    def _update_state(self) -> None:
        with self._state_lock:
            evaluates_remotely = self._remote is not None and self._remote.is_available
            source = self._flags.source_state
            is_remote_stale = self._remote is not None and self._remote.stale_error is not None
            state = state_of(
                source, evaluates_remotely=evaluates_remotely, is_remote_stale=is_remote_stale
            )
            if state is not None:
                self._state.update(state, self._last_error_message())
        if self._remote is None or source != "unauthorized" or evaluates_remotely:
            return
        # At the start, `_start_without_flag_set` probes.
        if self._state.state not in ("starting", "closed"):
            self._remote.recover()

    def set_flags(self, flag_set: FlagSet) -> None:
        self._flags.set_flags(flag_set)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        reporters = self._reporters()
        for reporter in reporters:
            reporter.end()
        deadline = time.monotonic() + REPORT_TIMEOUT_S
        for reporter in reporters:
            reporter.join(deadline)
        self._flags.stop(timeout_s)
        if self._remote is not None:
            self._remote.close()

    def refresh(self, deadline: float) -> bool:
        """Returns whether flags and remote evaluations are current by the deadline."""
        if self._remote is not None:
            self._remote.refresh()
        if self._flags.refresh(deadline):
            return True
        if self._remote is None or self._flags.source_state != "unauthorized":
            return False
        # A key that may only evaluate is enough.
        return self._remote.responds(deadline)

    def after_pause(self, pause: Pause) -> None:
        if self._remote is not None:
            self._remote.after_pause(pause)
        self._flags.after_pause(pause)

    def after_fork(self, pause: Pause) -> None:
        self._state_lock = threading.Lock()
        for reporter in self._reporters():
            reporter.after_fork()
        if self._remote is not None:
            self._remote.after_fork()
        self._flags.after_fork(pause)

    @property
    def snapshot(self) -> FlagSnapshot | None:
        return self._flags.snapshot

    def freshness(self) -> Freshness:
        freshness = self._flags.freshness()
        if self._remote is None:
            return freshness
        is_served = self._flags.source_state == "unauthorized" and self._remote.is_available
        return self._remote.freshness(freshness, is_followed=not is_served)

    def evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        if self._remote is not None:
            return self._remote.evaluate(flag_key, context)
        return self._flags.evaluate(flag_key, context)

    def count(self, result: EvaluationResult, *, is_mismatch: bool = False) -> None:
        """Counts what the application got. A mismatch is a value of another type."""
        usage = self._usage
        if usage is None:
            return
        if isinstance(result, Served) and not is_mismatch:
            usage.count(result.flag_key, result.variant, result.reason)
        elif isinstance(result, Failed) and result.error_code == "FLAG_NOT_FOUND":
            usage.count_unknown(result.flag_key)
        else:
            usage.count(result.flag_key, None, "ERROR" if is_mismatch else result.reason)

    def expose(
        self, result: EvaluationResult, experiments: Sequence[Experiment], context: dict[str, Any]
    ) -> None:
        """Reports that the application got a variant of experiments."""
        if self._events is not None and isinstance(result, Served):
            self._events.expose(experiments, result.variant, context)

    def track(
        self, name: str, context: dict[str, Any], details: TrackingEventDetails | None
    ) -> None:
        if self._events is not None:
            self._events.track(self._measured, name, context, details)

    @property
    def _measured(self) -> Measured | None:
        """What the server measures, or None before that is known."""
        if self._remote is not None:
            return self._remote.measured
        snapshot = self._flags.snapshot
        return None if snapshot is None else snapshot.measured

    def flush(self, deadline: float) -> bool:
        return self._events is None or self._events.flush(deadline)

    def event_counts(self) -> EventCounts:
        return EventCounts() if self._events is None else self._events.counts()

    async def evaluate_async(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        """Like `evaluate`; while the server evaluates, the event loop is not blocked."""
        if self._remote is not None:
            return await self._remote.evaluate_async(flag_key, context)
        return self._flags.evaluate(flag_key, context)
