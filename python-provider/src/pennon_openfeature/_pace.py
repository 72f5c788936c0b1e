"""How long everything may take, and how soon it is tried again. All times in milliseconds."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ._trouble import Trouble


@dataclass(frozen=True, slots=True)
class Pace:
    # How often the server lets a stream be heard.
    heartbeat_ms: float = 15_000
    # A request that has not begun to answer by then is given up.
    no_answer_ms: float = 10_000
    shortest_ms: float = 1_000
    longest_ms: float = 30_000
    # A refused key may be accepted later, when somebody has mended it.
    refused_ms: float = 60_000
    # Of several servers one may still answer as before, for so long after another told of a change.
    lag_ms: float = 2_000
    # How often a file that is followed is looked at.
    look_ms: float = 1_000
    # How soon after `initialize` anything is told: as it ends, the SDK tells READY or ERROR.
    after_told_ms: float = 100

    @property
    def silence_ms(self) -> float:
        """A stream that has been silent for so long is dead."""
        return 2.5 * self.heartbeat_ms

    def back_off(self, failures: int) -> float:
        """Full jitter: when a server comes back, its followers return spread over all of it."""
        most = min(self.longest_ms, self.shortest_ms * 2.0 ** min(failures, 30))
        return random.random() * most  # noqa: S311

    def slowly(self, trouble: Trouble | None) -> float:
        """How long a key that was refused is not shown again, at the least."""
        refused = trouble is not None and trouble.is_refusal
        return self.refused_ms * (1 + random.random()) if refused else 0  # noqa: S311
