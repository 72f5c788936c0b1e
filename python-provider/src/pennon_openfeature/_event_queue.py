"""Events that wait until they are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from ._event_format import Event

# Of one batch. The server accepts 500 events and 256 KiB.
_MAX_EVENTS: Final = 500
_MAX_BYTES: Final = 102_400


class QueuedEvent(NamedTuple):
    # Grows with each event.
    number: int
    event: Event

    @property
    def size(self) -> int:
        return len(self.event.text)


class EventQueue:
    """Exposures and tracking events, in the order in which they were added.

    If there are too many, the oldest tracking events are dropped first, and exposures last. Only
    one thread may use the queue at a time.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._exposures: deque[QueuedEvent] = deque()
        self._tracks: deque[QueuedEvent] = deque()
        self._bytes = 0
        # The number of the next event.
        self.next_number = 0

    def __len__(self) -> int:
        return len(self._exposures) + len(self._tracks)

    @property
    def has_batch(self) -> bool:
        return len(self) >= _MAX_EVENTS or self._bytes >= _MAX_BYTES

    @property
    def oldest_number(self) -> int:
        """That of the next event if there are none."""
        oldest = self._oldest()
        return oldest[0].number if oldest else self.next_number

    def add(self, event: Event) -> Event | None:
        """Returns the event that is dropped, if the queue is full."""
        queued = QueuedEvent(self.next_number, event)
        self.next_number += 1
        (self._tracks if event.exposure is None else self._exposures).append(queued)
        self._bytes += queued.size
        if len(self) <= self._max_events:
            return None
        return self._remove(self._tracks or self._exposures).event

    def take_batch(self) -> Sequence[Event]:
        """Removes the oldest events, as many as fit into one request, and returns them."""
        batch: list[Event] = []
        size = 0
        while len(batch) < _MAX_EVENTS and (oldest := self._oldest()):
            size += oldest[0].size
            if batch and size > _MAX_BYTES:
                break
            batch.append(self._remove(oldest).event)
        return batch

    def _oldest(self) -> deque[QueuedEvent]:
        """The events with the oldest one at the start. Empty if there are none."""
        if not self._exposures or not self._tracks:
            return self._exposures or self._tracks
        return min(self._exposures, self._tracks, key=lambda events: events[0].number)

    def _remove(self, events: deque[QueuedEvent]) -> QueuedEvent:
        removed = events.popleft()
        self._bytes -= removed.size
        return removed
