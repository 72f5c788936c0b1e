"""Timeouts, intervals and retry delays. All times are in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from random import SystemRandom

from ._errors import SyncError

# About 25 days, the longest timer of the provider for Node.js.
LONGEST_TIMER_MS = 2**31 - 1

# Not the generator of the module `random`: an application may have seeded it, and a process that
# was forked has the state of its parent.
_random = SystemRandom().random


@dataclass(frozen=True, slots=True)
class Timing:
    # The interval at which the server sends heartbeats on a stream.
    heartbeat_ms: float = 15_000
    # A request fails if its response has not begun by then.
    response_timeout_ms: float = 10_000
    # The same for a poll while the server counts as available. With the idle timeout and the
    # longest jitter, it adds up to less than 2.5 heartbeats: by then, a frozen server is noticed.
    check_timeout_ms: float = 6_000
    # The grace period: how long a start waits for the server although there are older flags, and
    # for the disk.
    grace_ms: float = 250
    first_backoff_ms: float = 1_000
    longest_backoff_ms: float = 30_000
    # A rejected key is retried this rarely, because an administrator may restore it.
    rejected_key_ms: float = 60_000
    # How long a follower stays at least with a server that is cut off from its store.
    stale_retry_ms: float = 30_000
    # In remote mode, the longest time between two checks whether such a server is current again.
    source_check_ms: float = 5_000
    # If it is cut off again so soon, a load balancer may alternate between servers.
    source_repeat_ms: float = 30_000
    # Then, how long no response may come from such a server before all are current.
    source_calm_ms: float = 5_000
    # After a change, another server may still return the previous result for this long.
    server_lag_ms: float = 2_000
    # The interval at which an offline file is checked for edits.
    file_check_ms: float = 1_000
    # How often usage is reported, on average.
    usage_interval_ms: float = 60_000
    # The longest delay before a report that was not accepted is sent again, and after which time it
    # is given up. The server knows repeated reports for an hour.
    longest_report_delay_ms: float = 60_000
    give_up_ms: float = 900_000
    # The SDK emits READY or ERROR just after `initialize`; provider events wait this long.
    event_delay_ms: float = 100

    @property
    def idle_timeout_ms(self) -> float:
        """A stream that has been silent for this long is considered lost."""
        return 2 * self.heartbeat_ms

    def backoff_delay(self, failures: int) -> float:
        """A random delay up to a growing limit, so followers do not all reconnect together."""
        longest = min(self.longest_backoff_ms, self.first_backoff_ms * 2.0 ** min(failures, 30))
        return _random() * longest

    def usage_delay(self) -> float:
        """Within 20 %, so that the processes of an application do not all report together."""
        return self.usage_interval_ms * (0.8 + 0.4 * _random())

    def report_delay(self, failures: int) -> float:
        """A random delay between the first backoff and a growing limit."""
        first = self.first_backoff_ms
        longest = min(self.longest_report_delay_ms, first * 2.0 ** min(failures + 1, 30))
        return first + _random() * max(0.0, longest - first)

    def stale_retry_delay(self) -> float:
        """After how long to connect again to a server that is cut off from its store.

        A load balancer may choose another server then.
        """
        return self.stale_retry_ms * (1 + 2 * _random())

    def source_check_delay(self) -> float:
        return self.source_check_ms / 2 * (1 + _random())

    def rejected_key_delay(self, error: SyncError | None) -> float:
        """The minimum delay before a rejected key is sent again, or 0 for any other error."""
        is_rejected = error is not None and error.is_auth_error
        return self.rejected_key_ms * (1 + _random()) if is_rejected else 0
