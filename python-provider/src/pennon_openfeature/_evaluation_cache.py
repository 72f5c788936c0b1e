"""The cache of remote evaluations."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from ._resolution import ResultWithTelemetry


class EvaluationCache:
    """Results by request body. Evicts the least recently used entry."""

    def __init__(self, ttl_ms: float, max_entries: int, server_lag_ms: float) -> None:
        self._ttl_s = ttl_ms / 1_000
        self._server_lag_s = server_lag_ms / 1_000
        self._max_entries = max_entries
        # Each result with its expiry time, on the monotonic clock.
        self._entries: OrderedDict[str, tuple[float, ResultWithTelemetry]] = OrderedDict()
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
            expires_at, result = self._entries.get(body, (0.0, None))
            if result is None or time.monotonic() >= expires_at:
                return None
            self._entries.move_to_end(body)
            return result.as_cached()

    def get_expired(self, body: str) -> ResultWithTelemetry | None:
        """Returns a result of any age, for when the server is unreachable."""
        with self._lock:
            result = self._entries.get(body, (0.0, None))[1]
        return None if result is None else result.as_cached()

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
            self._entries[body] = (now + ttl_s, result)
            self._entries.move_to_end(body)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

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
            self._entries = OrderedDict(
                (body, entry)
                for body, entry in self._entries.items()
                if entry[1].result.flag_key not in changed
            )

    def after_fork(self) -> None:
        """A thread of the parent may hold the lock."""
        self._lock = threading.Lock()
