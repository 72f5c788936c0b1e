"""Follows a flag set on a thread of its own: the stream, and polls while the stream is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sseclient import SSEClient

from ._flag_set import FlagSet, changed_flag_set, flag_set_of, parsed
from ._freshness import Freshness, LastError, Mode, Source
from ._http import Address, Answer, Connection
from ._pace import Pace
from ._trouble import Trouble, as_trouble


@dataclass(frozen=True, slots=True)
class Listener:
    """Told on the follower's thread, one thing at a time."""

    # The newest data; answers them as they are kept. Raises trouble where they cannot be used,
    # and then the earlier ones stay.
    on_data: Callable[[FlagSet], FlagSet]
    # The mode has changed, or something went wrong.
    on_freshness: Callable[[Freshness, Trouble | None], None]


@dataclass(frozen=True, slots=True)
class Following:
    address: Address
    stream: bool
    poll_interval_ms: float
    pace: Pace


class Follower:
    """One follower, from `start` to `stop`. Whoever wants to follow again makes another."""

    def __init__(
        self,
        following: Following,
        listener: Listener,
        initial: FlagSet | None,
        current_at: float | None,
    ) -> None:
        self._address = following.address
        self._following = following
        self._pace = following.pace
        self._listener = listener
        self._data = initial
        # When the server last said or showed that these are the data.
        self._current_at = current_at
        self._mode: Mode = "connecting"
        self._source: Source = "none"
        self._last_error: LastError | None = None
        self._held_until = 0.0
        self._stopped = threading.Event()
        self._connection: Connection | None = None
        # A daemon: no follower keeps a process alive.
        self._thread = threading.Thread(target=self._run, name="pennon-follow", daemon=True)

    @property
    def current_at(self) -> float | None:
        return self._current_at

    @property
    def data(self) -> FlagSet | None:
        return self._data

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """At once and for good: no connection is left, and nothing is told any more.

        `patience_s` is how long a thread is waited for that is just connecting, or telling.
        """
        self._stopped.set()
        connection = self._connection
        if connection is not None:
            connection.end()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience_s)

    def abandon(self) -> None:
        """In a forked child, where the thread is not, and the connection is the parent's."""
        if self._connection is not None:
            self._connection.abandon()

    def freshness(self) -> Freshness:
        age = None if self._current_at is None else (time.monotonic() - self._current_at) * 1_000
        revision = self._data.revision if self._data else None
        mode: Mode = "stopped" if self._stopped.is_set() else self._mode
        return Freshness(mode, revision, age, self._source, self._last_error)

    def _run(self) -> None:
        # First a poll, whatever the stream will do: a proxy may hold streams back.
        trouble = self._poll()
        if self._following.stream:
            self._follow_stream()
        else:
            self._follow_polls(trouble)

    def _follow_stream(self) -> None:
        """Poll and then reconnect, whenever the stream is lost: ever more slowly."""
        failures = 0
        while not self._stopped.is_set():
            trouble, lived_ms = self._stream_until_lost()
            if lived_ms >= self._pace.heartbeat_ms:
                failures = 0
            # Data with a gap cannot wait; else not all ask in the moment a server goes down.
            self._sleep(self._hold_ms() + (0 if trouble.gap else self._pace.back_off(0)))
            pause = max(self._pace.back_off(failures), self._pace.slowly(trouble))
            self._poll_for(pause)
            failures += 1

    def _stream_until_lost(self) -> tuple[Trouble, float]:
        """Why the stream died, and for how long it had told data."""
        reader = _StreamReader(self)
        try:
            reader.read()
        except Exception as error:  # noqa: BLE001 - whatever it was, the stream is dead
            trouble = as_trouble(error)
        self._fail(trouble)
        if self._mode == "streaming":
            self._enter("connecting")
        return trouble, reader.lived_ms()

    def _poll_for(self, ms: float) -> None:
        """Polls now, and at intervals until `ms` have passed and the server may be asked again."""
        until = time.monotonic() * 1_000 + ms
        while not self._stopped.is_set():
            hold = max(self._pace.slowly(self._poll()), self._hold_ms())
            now = time.monotonic() * 1_000
            until = max(until, now + hold)
            if until <= now:
                return
            self._sleep(min(until - now, max(self._following.poll_interval_ms, hold)))
            if time.monotonic() * 1_000 >= until:
                return

    def _follow_polls(self, trouble: Trouble | None) -> None:
        failures = 0
        interval = self._following.poll_interval_ms
        while not self._stopped.is_set():
            failures = failures + 1 if trouble else 0
            pause = min(interval, self._pace.back_off(failures)) if trouble else interval
            self._sleep(max(pause, self._hold_ms(), self._pace.slowly(trouble)))
            trouble = self._poll()

    def _poll(self) -> Trouble | None:
        """Asks for the data once, unless they are as before. Answers what went wrong."""
        if self._stopped.is_set():
            return None
        try:
            self._ask_once()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told and survived
            trouble = as_trouble(error)
            self._mode = "disconnected"
            self._fail(trouble)
            return trouble
        return None

    def _ask_once(self) -> None:
        etag = f'"{self._data.id}"' if self._data and self._data.id else None
        connection = self._connect()
        try:
            answer = connection.send("GET", "flag-set", {"if-none-match": etag})
            known = self._data if answer.status == 304 else None
            flag_set = known or flag_set_of(parsed(answer.read()))
        finally:
            self._disconnect(connection)
        self.learn(flag_set, "poll")

    def _connect(self) -> Connection:
        connection = Connection(self._address, self._pace.no_answer_ms)
        self._connection = connection
        if self._stopped.is_set():
            raise Trouble("stopped")
        return connection

    def _disconnect(self, connection: Connection) -> None:
        self._connection = None
        connection.close()

    def open_stream(self) -> tuple[Connection, Answer]:
        connection = self._connect()
        last_id = self._data.id if self._data and self._data.id else None
        headers = {"last-event-id": last_id, "accept": "text/event-stream"}
        try:
            return connection, connection.send("GET", "flag-set/stream", headers)
        except Exception:
            self._disconnect(connection)
            raise

    def close_stream(self, connection: Connection) -> None:
        self._disconnect(connection)

    @property
    def pace(self) -> Pace:
        return self._pace

    def learn(self, flag_set: FlagSet, source: Source) -> None:
        """The server said or showed that these are the data now."""
        if self._stopped.is_set():
            return
        if flag_set is not self._data:
            self._data = self._listener.on_data(flag_set)
        self._current_at = time.monotonic()
        self._source = source
        self._enter("streaming" if source == "stream" else "polling")

    def _enter(self, mode: Mode) -> None:
        if self._mode != mode and not self._stopped.is_set():
            self._mode = mode
            self._listener.on_freshness(self.freshness(), None)

    def _fail(self, trouble: Trouble) -> None:
        self._last_error = LastError(trouble.message, trouble.status, time.time() * 1_000)
        self._held_until = max(self._held_until, time.monotonic() * 1_000 + trouble.retry_after_ms)
        if not self._stopped.is_set():
            self._listener.on_freshness(self.freshness(), trouble)

    def _hold_ms(self) -> float:
        """For how long the server has asked to be left alone, by Retry-After."""
        return max(0.0, self._held_until - time.monotonic() * 1_000)

    def _sleep(self, ms: float) -> None:
        if ms > 0:
            self._stopped.wait(ms / 1_000)


class _StreamReader:
    """Reads one stream for as long as it lives."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._begun_at: float | None = None

    def lived_ms(self) -> float:
        return 0 if self._begun_at is None else (time.monotonic() - self._begun_at) * 1_000

    def read(self) -> None:
        connection, answer = self._follower.open_stream()
        try:
            came = answer.headers.get("content-type", "nothing")
            if not came.startswith("text/event-stream"):
                raise Trouble(f"no event stream but {came} came")
            # The chunks end by raising, so that a frame that was cut off is never an event.
            for event in SSEClient(answer.chunks()).events():
                self._hear(event, answer)
        finally:
            self._follower.close_stream(connection)

    def _hear(self, event: Any, answer: Answer) -> None:
        hear = _EVENTS.get(event.event)
        if hear is None:
            return
        if self._begun_at is None and event.event not in _OPENING:
            raise Trouble("the stream has no beginning", gap=True)
        flag_set = hear(self._follower.data, event.id, event.data)
        if self._begun_at is None:
            self._begun_at = time.monotonic()
            answer.may_be_silent_for(self._follower.pace.silence_ms)
        self._follower.learn(flag_set, "stream")


def _whole_set(_before: FlagSet | None, event_id: str | None, data: str) -> FlagSet:
    flag_set = flag_set_of(parsed(data))
    return replace(flag_set, id=event_id) if event_id else flag_set


def _current(before: FlagSet | None, event_id: str | None, _data: str) -> FlagSet:
    return _confirmed(before, before is not None and before.id == event_id)


def _heartbeat(before: FlagSet | None, _event_id: str | None, data: str) -> FlagSet:
    revision = parsed(data).get("revision")
    return _confirmed(before, before is not None and before.revision == revision)


def _confirmed(flag_set: FlagSet | None, is_same: bool) -> FlagSet:
    if flag_set is None or not is_same:
        raise Trouble("the server has other data", gap=True)
    return flag_set


_OPENING = ("set", "current")
_EVENTS = {
    "set": _whole_set,
    "change": changed_flag_set,
    "current": _current,
    "heartbeat": _heartbeat,
}
