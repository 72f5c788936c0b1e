"""Remote mode: the server evaluates, and its results are cached."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import Any, Final, Generic, Literal, NamedTuple

from ._errors import SyncError
from ._evaluate_client import CircuitBreaker, EvaluateClient, body_of
from ._flag_set import measured_in
from ._flag_snapshot import FlagSnapshot
from ._measured import NOTHING_MEASURED, Measured
from ._options import Options
from ._pending_request import PendingRequest, Result
from ._process import Pause, is_before_fork
from ._remote_source import RemoteSource
from ._resolution import ResultWithTelemetry, Unavailable
from ._sources import Freshness

# The memory that cached results may take, however large contexts and values are.
_MAX_CACHE_BYTES: Final = 16_777_216
_ENTRY_OVERHEAD_BYTES: Final = 300


class _Entry(NamedTuple):
    """A result with its expiry time, on the monotonic clock."""

    expires_at: float
    result: ResultWithTelemetry
    size: int


def _size_of(body: str, result: ResultWithTelemetry) -> int:
    """The memory of a result and its request body, both with two bytes for each character."""
    return 2 * (len(body) + len(repr(result))) + _ENTRY_OVERHEAD_BYTES


class EvaluationCache:
    """Results of remote evaluation by request body. Evicts the least recently used entry."""

    def __init__(self, ttl_ms: float, max_entries: int, server_lag_ms: float) -> None:
        self._ttl_s = ttl_ms / 1_000
        self._server_lag_s = server_lag_ms / 1_000
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._size = 0
        # When each flag changed, for changes within `server_lag_ms`.
        self._changed_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._generation = 0

    @property
    def generation(self) -> int:
        """Grows with each invalidation."""
        return self._generation

    def get(self, body: str) -> ResultWithTelemetry | None:
        """Returns a result that has not expired."""
        with self._lock:
            entry = self._entries.get(body)
            if entry is None or time.monotonic() >= entry.expires_at:
                return None
            self._entries.move_to_end(body)
            return entry.result.as_cached()

    def get_expired(self, body: str) -> ResultWithTelemetry | None:
        """Returns a result of any age, for when the server is unreachable."""
        with self._lock:
            entry = self._entries.get(body)
        return None if entry is None else entry.result.as_cached()

    def set(self, body: str, result: ResultWithTelemetry, generation: int) -> None:
        """Does nothing if flags changed since the request was sent, in an earlier generation."""
        with self._lock:
            if generation != self._generation:
                return
            now = time.monotonic()
            changed_at = self._changed_at.get(result.result.flag_key, -self._server_lag_s)
            # Just after a change, the server that responded may not have received it yet.
            is_uncertain = now < changed_at + self._server_lag_s
            ttl_s = min(self._ttl_s, self._server_lag_s) if is_uncertain else self._ttl_s
            self._remove(body)
            self._entries[body] = _Entry(now + ttl_s, result, _size_of(body, result))
            self._size += self._entries[body].size
            while len(self._entries) > self._max_entries or self._size > _MAX_CACHE_BYTES:
                self._remove(next(iter(self._entries)))

    def invalidate(self, flag_keys: Iterable[str]) -> None:
        """Removes the results of flags that have changed."""
        changed = frozenset(flag_keys)
        now = time.monotonic()
        with self._lock:
            # The first flags are new to this provider, not to the servers.
            if self._generation > 0:
                recent = {
                    key: at for key, at in self._changed_at.items() if now < at + self._server_lag_s
                }
                self._changed_at = {**recent, **dict.fromkeys(changed, now)}
            self._generation += 1
            for body, entry in list(self._entries.items()):
                if entry.result.result.flag_key in changed:
                    self._remove(body)

    def expire(self) -> None:
        """Keeps results only for when the server is unreachable; changes may have been missed."""
        with self._lock:
            self._generation += 1
            self._entries = OrderedDict(
                (body, entry._replace(expires_at=0.0)) for body, entry in self._entries.items()
            )

    def after_fork(self) -> None:
        """A thread of the parent may hold the lock."""
        self._lock = threading.Lock()

    def _remove(self, body: str) -> None:
        entry = self._entries.pop(body, None)
        if entry is not None:
            self._size -= entry.size


class SingleFlight(Generic[Result]):
    """Shares one request between callers that need the same result at the same time."""

    def __init__(self) -> None:
        self._in_flight: dict[Hashable, PendingRequest[Result]] = {}
        self._lock = threading.Lock()

    def run(
        self, key: Hashable, start: Callable[[], PendingRequest[Result]]
    ) -> PendingRequest[Result]:
        with self._lock:
            pending = self._in_flight.get(key)
            if pending is not None and not pending.has_timed_out:
                return pending
            pending = self._in_flight[key] = start()
        pending.add_done_callback(lambda: self._remove(key, pending))
        return pending

    def _remove(self, key: Hashable, done: PendingRequest[Result]) -> None:
        with self._lock:
            if self._in_flight.get(key) is done:
                del self._in_flight[key]


class RemoteEvaluator:
    """Evaluates on the server; if it is unreachable, with local flags or a cached result."""

    def __init__(
        self,
        options: Options,
        local_flags: Callable[[], FlagSnapshot | None],
        on_availability: Callable[[], None],
    ) -> None:
        """`on_availability` is called when `is_available` may have changed."""
        assert options.address is not None
        timing, timeout_ms = options.timing, options.request_timeout_ms
        self._local_flags = local_flags
        self._breaker = CircuitBreaker(timing, timeout_ms, on_availability)
        self._source = RemoteSource(timing, self._probe_after, on_availability)
        self._client = EvaluateClient(
            options.address, timeout_ms, self._breaker, self._source.report, self._on_probe
        )
        self._cache = EvaluationCache(
            options.cache_ttl_ms, options.cache_entries, timing.server_lag_ms
        )
        self._single_flight: SingleFlight[ResultWithTelemetry] = SingleFlight()
        # What the server has last measured, for a key that may not read the flag set.
        self._measured: Measured | None = None
        self._probed_at = 0.0
        self._longest_silence_s = timing.idle_timeout_ms / 1_000
        self._on_availability = on_availability
        self._request_timeout_s = timeout_ms / 1_000
        # Often enough to notice a lost server within two heartbeats.
        self._watch_interval_s = timing.heartbeat_ms / 2_000
        # The key may evaluate, but it may not read the flag set.
        self._evaluate_only = False
        self._recovery: threading.Thread | None = None
        # Runs as soon as the key turns out to be one that only evaluates.
        self._watch: threading.Thread | None = None

    @property
    def is_available(self) -> bool:
        """Whether the server evaluates for a key that may not read the flag set."""
        return self._evaluate_only and self.circuit_error is None

    @property
    def circuit_error(self) -> SyncError | None:
        """Why the server receives no requests at the moment, or None if it does."""
        return self._breaker.circuit_error

    @property
    def stale_error(self) -> SyncError | None:
        """Why results may be out of date although the servers respond, or None."""
        return self._source.stale_error

    def freshness(self, of_flag_set: Freshness, *, is_followed: bool) -> Freshness:
        return self._source.freshness(of_flag_set, is_followed=is_followed)

    @property
    def measured(self) -> Measured | None:
        """None before the first flags, or before the first probe with such a key."""
        flags = self._local_flags()
        return self._measured if flags is None else flags.measured

    def _on_probe(self, fields: dict[str, Any]) -> None:
        self._measured = (self._measured or NOTHING_MEASURED).after(measured_in(fields))
        self._probed_at = time.monotonic()

    def _probe_after(self, seconds: float) -> bool:
        """Probes only for the source age of the response. Returns False if the client is closed."""
        if self._client.wait_until_closed(max(seconds, self._breaker.seconds_until_trial())):
            return False
        if self._breaker.admit_request() is None:
            self._client.probe_once(time.monotonic() + self._request_timeout_s)
        return True

    def probe(self, deadline: float) -> SyncError | None:
        """Finds out whether a key that may not read the flag set may evaluate."""
        error = self._client.probe(deadline)
        self._evaluate_only = error is None
        self._start_watch()
        return error

    def _start_watch(self) -> None:
        if not self._evaluate_only or self._watch is not None or is_before_fork():
            return
        watch = threading.Thread(target=self._probe_if_silent, name="pennon-watch", daemon=True)
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            watch.start()
            self._watch = watch

    def _probe_if_silent(self) -> None:
        """Notices that the server is lost even if all results come from the cache.

        Only a probe finds out what is measured, so they do not end with evaluations.
        """
        while not self._client.wait_until_closed(self._watch_interval_s):
            is_probe_old = time.monotonic() - self._probed_at > self._longest_silence_s
            if not self.is_available or not (self._source.is_silent or is_probe_old):
                continue
            error = self._client.probe_once(time.monotonic() + self._request_timeout_s)
            if error is not None:
                self._breaker.trip(error)

    def recover(self) -> None:
        """Probes on another thread until `is_available`, so no evaluation has to find that out."""
        if self._recovery is not None and self._recovery.is_alive():
            return
        recovery = threading.Thread(target=self._recover, name="pennon-recover", daemon=True)
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            recovery.start()
            self._recovery = recovery

    def _recover(self) -> None:
        while not self.is_available:
            if self._client.wait_until_closed(self._breaker.seconds_until_trial()):
                return
            error = self._client.probe_once(time.monotonic() + self._request_timeout_s)
            if error is not None:
                self._breaker.trip(error)
                continue
            self._evaluate_only = True
            self._start_watch()
            self._breaker.reset()
            self._on_availability()

    def evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        body = body_of(flag_key, context)
        result = self._cache.get(body)
        if result is None:
            try:
                request, is_shared = self._request(flag_key, body)
                result = _counted_once(request.result(), is_shared=is_shared)
            except SyncError as error:
                result = self._fallback(flag_key, context, body, error)
        return self._with_telemetry(result)

    async def evaluate_async(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        body = body_of(flag_key, context)
        result = self._cache.get(body)
        if result is None:
            try:
                request, is_shared = self._request(flag_key, body)
                result = _counted_once(await request.result_async(), is_shared=is_shared)
            except SyncError as error:
                result = self._fallback(flag_key, context, body, error)
        return self._with_telemetry(result)

    def invalidate(self, flag_keys: Iterable[str]) -> None:
        """Removes the results of flags that changed from the cache."""
        self._cache.invalidate(flag_keys)

    def refresh(self) -> None:
        """Requests each result again, even if it is cached, on new connections."""
        self._cache.expire()
        self._client.renew_connections()

    def responds(self, deadline: float) -> bool:
        """Whether the server evaluates for this key."""
        return self._client.probe(deadline) is None

    def close(self) -> None:
        self._client.close()

    def after_pause(self, pause: Pause) -> None:
        self._cache.expire()
        self._client.after_pause()
        self._source.after_pause(pause, is_followed=not self._evaluate_only)

    def after_fork(self) -> None:
        self._client.after_fork()
        self._cache.after_fork()
        self._source.after_fork()
        self._single_flight = SingleFlight()
        self._recovery = self._watch = None
        self._start_watch()

    def _request(
        self, flag_key: str, body: str
    ) -> tuple[PendingRequest[ResultWithTelemetry], bool]:
        """The request, and whether another caller has started it."""
        generation = self._cache.generation
        is_shared = True

        def store(result: ResultWithTelemetry) -> None:
            self._cache.set(body, result, generation)

        def start() -> PendingRequest[ResultWithTelemetry]:
            nonlocal is_shared
            is_shared = False
            return self._client.evaluate(flag_key, body, store)

        # A request from before a change is not shared with callers after it.
        request = self._single_flight.run((body, generation), start)
        return request, is_shared

    def _fallback(
        self, flag_key: str, context: dict[str, Any], body: str, error: SyncError
    ) -> ResultWithTelemetry:
        if error.is_context_error:
            return _unavailable(flag_key, "INVALID_CONTEXT", error)
        flags = self._local_flags()
        if flags is not None:
            return flags.evaluate_with_telemetry(flag_key, context)
        return self._cache.get_expired(body) or _unavailable(flag_key, "GENERAL", error)

    def _with_telemetry(self, result: ResultWithTelemetry) -> ResultWithTelemetry:
        """Adds the experiments, and telemetry that an older server or an error does not contain."""
        measured = self.measured or NOTHING_MEASURED
        experiments = measured.experiments_of(result.result)
        flags = self._local_flags()
        if result.telemetry or flags is None:
            return result._replace(experiments=experiments) if experiments else result
        telemetry = flags.telemetry_of(result.result.flag_key)
        return result._replace(telemetry=telemetry, experiments=experiments)


def _counted_once(result: ResultWithTelemetry, *, is_shared: bool) -> ResultWithTelemetry:
    """The server has counted a request once, for the caller that has started it."""
    return result._replace(is_counted=False) if is_shared else result


def _unavailable(
    flag_key: str, code: Literal["INVALID_CONTEXT", "GENERAL"], error: SyncError
) -> ResultWithTelemetry:
    return ResultWithTelemetry(Unavailable(flag_key, code, error.message), {})
