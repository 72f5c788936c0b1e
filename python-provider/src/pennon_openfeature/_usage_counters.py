"""Evaluations that are added up until they are reported."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, TypeAlias

# How often an application got a variant of a flag, or None for its own default value, for a reason.
UsageCount: TypeAlias = "tuple[str, str | None, str, int]"

# A count, or a key that is not that of a flag.
UsageEntry: TypeAlias = "UsageCount | str"

_Outcome: TypeAlias = "tuple[str, str | None, str]"

# The most outcomes and unknown keys that are kept. Any others are not counted.
_MAX_COUNTERS: Final = 10_000
_MAX_UNKNOWN: Final = 1_000

# Of keys and names, in characters.
_MAX_LENGTH: Final = 100

# Those that the server knows. A newer server may have others.
_REASONS: Final = frozenset(
    [
        "STATIC",
        "DEFAULT",
        "TARGETING_MATCH",
        "SPLIT",
        "CACHED",
        "DISABLED",
        "STALE",
        "ERROR",
    ]
)


def _is_name(text: object) -> bool:
    """Whether a server would accept the text."""
    return isinstance(text, str) and 0 < len(text) <= _MAX_LENGTH


class UsageCounters:
    """Any thread may count, without a lock: `next` of a counter is one step for all others."""

    def __init__(self) -> None:
        self._counters: dict[_Outcome, Iterator[int]] = {}
        # The number that the next call of each counter would return if nothing had been counted.
        self._taken: dict[Iterator[int], int] = {}
        # Removed by the last `take`, but another thread may have been about to count.
        self._removed: list[tuple[_Outcome, Iterator[int]]] = []
        # A set with an order.
        self._unknown: dict[str, None] = {}

    def count(self, flag_key: str, variant: str | None, reason: str) -> None:
        outcome = (flag_key, variant, reason)
        counter = self._counters.get(outcome)
        if counter is None:
            counter = self._add(outcome)
        if counter is not None:
            next(counter)

    def _add(self, outcome: _Outcome) -> Iterator[int] | None:
        flag_key, variant, _ = outcome
        is_valid = _is_name(flag_key) and (variant is None or _is_name(variant))
        if not is_valid or len(self._counters) >= _MAX_COUNTERS:
            return None
        # Another thread may have added it.
        return self._counters.setdefault(outcome, itertools.count())

    def count_unknown(self, flag_key: str) -> None:
        if _is_name(flag_key) and len(self._unknown) < _MAX_UNKNOWN:
            self._unknown[flag_key] = None

    def take(self, max_count: int) -> list[UsageEntry]:
        """What was counted since the last call. Only one thread may call this.

        What exceeds `max_count` in one count remains for the next call.
        """
        unknown, self._unknown = self._unknown, {}
        entries: list[UsageEntry] = list(unknown)
        removed, self._removed = self._removed, []
        for outcome, counter in removed:
            entries += self._take_from(outcome, counter, max_count)
            del self._taken[counter]
        for outcome, counter in list(self._counters.items()):
            taken = self._take_from(outcome, counter, max_count)
            entries += taken
            if not taken:
                del self._counters[outcome]
                self._removed.append((outcome, counter))
        return entries

    def _take_from(
        self, outcome: _Outcome, counter: Iterator[int], max_count: int
    ) -> list[UsageEntry]:
        """Returns nothing if nothing was counted."""
        number = next(counter)
        total = number - self._taken.get(counter, 0)
        count = min(total, max_count)
        # This call of `next` does not count.
        self._taken[counter] = number + 1 - (total - count)
        flag_key, variant, reason = outcome
        known_reason = reason if reason in _REASONS else "UNKNOWN"
        return [(flag_key, variant, known_reason, count)] if count > 0 else []
