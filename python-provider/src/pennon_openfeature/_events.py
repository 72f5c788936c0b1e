"""Reports exposures and tracking events to the server."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from openfeature.track import TrackingEventDetails

from ._delivery import Delivery, StoppedError, is_final, sdk_name
from ._errors import SyncError
from ._event_format import Event, EventFormat, TrackedEvent
from ._event_queue import EventQueue
from ._exposures import Exposure, RecentExposures
from ._flag_set import parse_object
from ._follower_state import LastError, last_error_of
from ._measured import Experiment, Measured
from ._options import Options

logger = logging.getLogger("pennon_openfeature")


@dataclass(frozen=True, slots=True)
class EventCounts:
    """The exposures and tracking events of a process since the provider started in it."""

    # Not accepted by the server yet.
    queued: int = 0
    # Accepted by the server.
    sent: int = 0
    # Invalid, rejected by the server, given up, or too many for the queue.
    dropped: int = 0
    # Kept after recovery.
    last_error: LastError | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many events the server has not received, and never will."""

    exposures: int = 0
    tracks: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(self.exposures + other.exposures, self.tracks + other.tracks)


NOTHING_DROPPED: Final = Dropped()


def _dropped_of(events: Iterable[Event]) -> Dropped:
    is_exposure = [each.exposure is not None for each in events]
    return Dropped(is_exposure.count(True), is_exposure.count(False))


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one request. If that is sent again, it has the same sequence, so it counts once."""

    instance: str
    sequence: int
    events: Sequence[Event]
    # What was dropped since the previous batch.
    dropped: Dropped
    # The number of its first event in the queue.
    number: int
    # The server cannot verify the variants of exposures then.
    has_hashed_units: bool

    def body(self) -> bytes:
        fields: dict[str, Any] = {
            "instance": self.instance,
            "sequence": self.sequence,
            # The server corrects the times of the events by this clock.
            "sentAtMs": int(time.time() * 1_000),
            "sdk": sdk_name(),
        }
        if self.has_hashed_units:
            fields["hashedUnits"] = True
        if self.dropped != NOTHING_DROPPED:
            dropped = {"exposures": self.dropped.exposures, "tracks": self.dropped.tracks}
            fields["dropped"] = dropped
        events = b",".join(each.text for each in self.events)
        return json.dumps(fields).encode()[:-1] + b', "events": [' + events + b"]}"


class EventReporter:
    """Queues events, and sends them on a thread of its own. Never raises, and never waits."""

    def __init__(self, options: Options) -> None:
        assert options.address is not None
        self._options = options
        self._format = EventFormat(hash_units=options.hash_units)
        self._sender = Delivery(options.address, "events", options.timing, self._run)
        # Whether the log has a line about an invalid event.
        self._is_problem_logged = False
        self._begin()

    def _begin(self) -> None:
        # Held for a few steps only. A signal handler may need it while its thread holds it.
        self._changed = threading.Condition(threading.RLock())
        self._queue = EventQueue(self._options.events_queue)
        # Tracked before it is known what is measured.
        self._held: deque[TrackedEvent] = deque()
        self._recent = RecentExposures()
        self._instance = secrets.token_urlsafe(16)
        self._sequence = 0
        # On its way to the server.
        self._batch: EventBatch | None = None
        self._is_flush_requested = False
        self._sent = 0
        self._dropped = 0
        # To be reported with the next batch.
        self._unreported = NOTHING_DROPPED
        self._problem: LastError | None = None

    def end(self) -> None:
        """Begins to send the rest, which `join` waits for."""
        self._sender.end()
        with self._changed:
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        self._sender.join(deadline)
        with self._changed:
            self._changed.notify_all()

    def after_fork(self) -> None:
        """Begins with an empty queue in a child. The parent sends what it has queued."""
        self._sender.after_fork()
        self._begin()

    def counts(self) -> EventCounts:
        with self._changed:
            in_flight = len(self._batch.events) if self._batch else 0
            errors = [each for each in (self._problem, self._sender.last_error) if each is not None]
            last_error = max(errors, key=lambda error: error.at, default=None)
            queued = len(self._queue) + in_flight
            return EventCounts(queued, self._sent, self._dropped, last_error)

    def expose(
        self, experiments: Sequence[Experiment], variant: str, context: Mapping[str, Any]
    ) -> None:
        """Reports that the application got a variant, once a day for each unit."""
        try:
            for experiment in experiments:
                unit = experiment.unit.of(context)
                if unit is not None:
                    self._add_exposure(Exposure(experiment, unit, variant))
        except Exception:
            logger.exception("an exposure could not be reported")

    def _add_exposure(self, exposure: Exposure) -> None:
        now = time.time()
        with self._changed:
            if not self._recent.add(exposure, now):
                return
            try:
                self._add(self._format.exposure(exposure, now))
            except ValueError as error:
                what = f'an exposure to the experiment "{exposure.experiment.key}"'
                self._refuse(what, error, Dropped(exposures=1))

    def track(
        self,
        measured: Measured | None,
        name: str,
        context: Mapping[str, Any],
        details: TrackingEventDetails | None,
    ) -> None:
        """Reports an event, if it is measured. `measured`: None before that is known."""
        event = TrackedEvent(name, context, _copy(details), time.time())
        if measured is None:
            self._hold(event)
            return
        self.release(measured)
        self._add_tracked(event, measured)

    def _hold(self, event: TrackedEvent) -> None:
        """Keeps an event until it is known what is measured."""
        with self._changed:
            self._held.append(event)
            if len(self._held) > self._options.events_queue:
                self._held.popleft()
                self._count_dropped(Dropped(tracks=1))

    def release(self, measured: Measured) -> None:
        """Reports the events from before the first flags."""
        while self._held:
            with suppress(IndexError):
                self._add_tracked(self._held.popleft(), measured)

    def _add_tracked(self, event: TrackedEvent, measured: Measured) -> None:
        if not measured.is_tracked(event.name):
            return
        units = measured.units_of(event.context)
        if not units:
            return
        try:
            formatted = self._format.tracking_event(event, units)
        except ValueError as error:
            self._refuse(f'the event "{event.name:.100}"', error, Dropped(tracks=1))
            return
        with self._changed:
            self._add(formatted)

    def _add(self, event: Event) -> None:
        # Applications without experiments need no thread.
        self._sender.start()
        dropped = self._queue.add(event)
        if dropped is not None:
            self._drop([dropped], is_repeated=True)
        if len(self._queue) == 1 or self._queue.has_batch:
            self._changed.notify_all()

    def _refuse(self, what: str, error: ValueError, dropped: Dropped) -> None:
        message = f"{what} is not reported: {error}"
        with self._changed:
            self._count_dropped(dropped)
            self._problem = last_error_of(message)
            is_logged, self._is_problem_logged = self._is_problem_logged, True
        if not is_logged:
            logger.warning("%s", message)

    def _count_dropped(self, dropped: Dropped) -> None:
        self._dropped += dropped.exposures + dropped.tracks
        self._unreported += dropped

    def _drop(self, events: Sequence[Event], *, is_repeated: bool) -> None:
        """`is_repeated`: the next evaluation reports an exposure again."""
        self._count_dropped(_dropped_of(events))
        for each in events:
            if is_repeated and each.exposure is not None:
                self._recent.forget(each.exposure)

    def flush(self, deadline: float) -> bool:
        """Sends what is queued. Returns whether the server has accepted all of it by then."""
        with self._changed:
            end, dropped = self._queue.next_number, self._dropped
            self._is_flush_requested = self._oldest_number < end
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._oldest_number >= end or self._sender.is_closed,
                max(0.0, deadline - time.monotonic()),
            )
            return self._oldest_number >= end and self._dropped == dropped

    @property
    def _oldest_number(self) -> int:
        """The number of the oldest event that is not accepted."""
        return self._batch.number if self._batch else self._queue.oldest_number

    def _run(self) -> None:
        while self._wait_for_events():
            try:
                self._send_all(self._sender.deliver)
            except StoppedError:
                break
            except Exception:
                logger.exception("events could not be reported")
        # Once: what has not been sent yet, and what is sent again at the moment.
        self._send_all(self._sender.post)

    def _wait_for_events(self) -> bool:
        """Waits until a batch should be sent. Returns False if the sender is ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._sender.is_ended or len(self._queue) > 0)
            self._changed.wait_for(lambda: self._is_due, self._options.events_flush_ms / 1_000)
            self._is_flush_requested = False
        return not self._sender.is_ended

    @property
    def _is_due(self) -> bool:
        return self._sender.is_ended or self._is_flush_requested or self._queue.has_batch

    def _send_all(self, send: Callable[[Callable[[], bytes]], bytes]) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                response = send(batch.body)
            except SyncError as error:
                self._give_up(batch, error)
            else:
                self._accept(batch, response)

    def _next_batch(self) -> EventBatch | None:
        """The batch that has not been accepted yet, or one of the oldest events."""
        with self._changed:
            if self._batch is None and len(self._queue) > 0:
                self._sequence += 1
                dropped, self._unreported = self._unreported, NOTHING_DROPPED
                number = self._queue.oldest_number
                events = self._queue.take_batch()
                self._batch = EventBatch(
                    self._instance,
                    self._sequence,
                    events,
                    dropped,
                    number,
                    self._options.hash_units,
                )
            return self._batch

    def _accept(self, batch: EventBatch, response: bytes) -> None:
        rejected = _rejected_in(response)
        with self._changed:
            self._batch = None
            self._sent += len(batch.events) - len(rejected)
            self._dropped += len(rejected)
            if rejected:
                count = f"{len(rejected)} of {len(batch.events)}"
                message = f"the server rejected {count} events: {_message_of(rejected[0])}"
                self._problem = last_error_of(message)
            self._changed.notify_all()

    def _give_up(self, batch: EventBatch, error: SyncError) -> None:
        with self._changed:
            self._batch = None
            self._unreported += batch.dropped
            self._drop(batch.events, is_repeated=not is_final(error))
            self._changed.notify_all()


def _copy(details: TrackingEventDetails | None) -> TrackingEventDetails:
    """What the application changes later has no effect."""
    if details is None:
        return TrackingEventDetails()
    return TrackingEventDetails(details.value, dict(details.attributes))


def _rejected_in(response: bytes) -> list[Any]:
    try:
        rejected = parse_object(response).get("rejected")
    except SyncError:
        return []
    return rejected if isinstance(rejected, list) else []


def _message_of(rejected: object) -> object:
    return rejected.get("message") if isinstance(rejected, dict) else rejected
