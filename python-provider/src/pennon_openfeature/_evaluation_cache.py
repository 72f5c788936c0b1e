"""The cache of remote evaluations."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from ._engine import Evaluation


class EvaluationCache:
    """Results by request body. Evicts the least recently used entry."""

    def __init__(self, ttl_ms: float, max_entries: int, server_lag_ms: float) -> None:
        self._ttl_s = ttl_ms / 1_000
        self._server_lag_s = server_lag_ms / 1_000
        self._max_entries = max_entries
        # Each result with its expiry time, on the monotonic clock.
        self._entries: OrderedDict[str, tuple[float, Evaluation]] = OrderedDict()
        # When each flag changed, for changes within `server_lag_ms`.
        self._changed_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._change_count = 0

    @property
    def change_count(self) -> int:
        """Grows with each change. A result requested before a change is not stored after it."""
        return self._change_count

    def fresh(self, body: str) -> Evaluation | None:
        """A result that has not expired."""
        with self._lock:
            expires_at, result = self._entries.get(body, (0.0, None))
            if result is None or time.monotonic() >= expires_at:
                return None
            self._entries.move_to_end(body)
            return result

    def any(self, body: str) -> Evaluation | None:
        """A result of any age, for use while the server is down."""
        with self._lock:
            return self._entries.get(body, (0.0, None))[1]

    def store(self, body: str, result: Evaluation, change_count: int) -> None:
        with self._lock:
            if change_count != self._change_count:
                return
            now = time.monotonic()
            changed_at = self._changed_at.get(result.flag_key, -self._server_lag_s)
            # Just after a change, the server that responded may not have received it yet.
            is_doubtful = now < changed_at + self._server_lag_s
            ttl_s = min(self._ttl_s, self._server_lag_s) if is_doubtful else self._ttl_s
            self._entries[body] = (now + ttl_s, result)
            self._entries.move_to_end(body)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def drop(self, flag_keys: Iterable[str]) -> None:
        """Removes the results of flags that have changed."""
        dropped = frozenset(flag_keys)
        now = time.monotonic()
        with self._lock:
            # The first flags are new to this provider only; the servers have had them for long.
            if self._change_count > 0:
                recent = {
                    key: at for key, at in self._changed_at.items() if now < at + self._server_lag_s
                }
                self._changed_at = {**recent, **dict.fromkeys(dropped, now)}
            self._change_count += 1
            kept = [entry for entry in self._entries.items() if entry[1][1].flag_key not in dropped]
            self._entries = OrderedDict(kept)

    def after_fork(self) -> None:
        """A thread of the parent may hold the lock."""
        self._lock = threading.Lock()
