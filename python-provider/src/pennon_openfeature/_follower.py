"""Follows a flag set on a thread of its own: a stream, and polls while there is none."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sseclient import SSEClient

from ._errors import SyncError, error_from_event, gap_error, to_sync_error
from ._flag_set import (
    EVENTS,
    INITIAL_EVENTS,
    FlagSet,
    FlagSetUpdate,
    parse_object,
    read_flag_set,
)
from ._follower_state import FollowerCallbacks, FollowerMode, FollowerState, FollowerStatus
from ._http import Address, Connection, Response
from ._process import Pause, is_before_fork, threads_run_in_background
from ._source_age import source_age_of, stale_source_error
from ._timing import Timing

logger = logging.getLogger("pennon_openfeature")


@dataclass(frozen=True, slots=True)
class FollowOptions:
    address: Address
    stream: bool
    poll_interval_ms: float
    timing: Timing


class Follower:
    """One follower, from `start` to `stop`. It cannot be started again."""

    def __init__(
        self,
        options: FollowOptions,
        callbacks: FollowerCallbacks,
        initial: FlagSet | None,
        current_at: float | None,
    ) -> None:
        self._options = options
        self._timing = options.timing
        self._state = FollowerState(callbacks, initial, current_at)
        # When Retry-After permits the next request, in milliseconds on the monotonic clock.
        self._retry_at = 0.0
        self._stopped = threading.Event()
        # Ends a delay early.
        self._wake = threading.Event()
        self._connection: Connection | None = None
        # A daemon, so a follower does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="pennon-follow", daemon=True)

    @property
    def current_at(self) -> float | None:
        return self._state.current_at

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:
            # Too many threads, or the interpreter exits. The data remain in use.
            self._state.begin()
            self._state.set_error(SyncError(f"no thread to follow the server: {error}"))
            self._state.set_mode("disconnected")

    def refresh(self, deadline: float) -> bool:
        """Polls at once. Returns whether the server confirms or sends the data by the deadline.

        A response to a request that was sent before the call does not count. Concurrent calls share
        one that was sent after all of them.
        """
        if not self._state.wait_for_earlier_call(deadline):
            return False
        generation = self._state.expect_confirmation()
        if self._state.is_expired:
            self._interrupt()
        return self._state.wait_until_confirmed(generation, deadline)

    def after_pause(self, pause: Pause) -> None:
        """Polls at once, because changes may have been missed."""
        is_outdated = (
            pause.seconds * 1_000 > self._timing.idle_timeout_ms
            # The previous pause was too recent for a confirmation, and so may this one be.
            or not self._state.is_confirmed
            or not threads_run_in_background()
        )
        self._state.expire_after(pause, is_outdated=is_outdated)
        self._interrupt()

    def start_after_fork(self, pause: Pause) -> None:
        """Continues the follower of the parent, whose data are old if the fork is noticed late."""
        self._state.expire_after(pause, is_outdated=pause.is_long)
        self.start()

    def _interrupt(self) -> None:
        """Ends the current request or delay; the follower's thread polls next."""
        self._wake.set()
        connection = self._connection
        if connection is not None:
            connection.cancel()

    def stop(self, timeout_s: float) -> None:
        """Closes the connection; no callback starts afterwards.

        Waits up to `timeout_s` for the thread if it is connecting or inside a callback.
        """
        self._state.stop()
        self._stopped.set()
        self._interrupt()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def abandon(self) -> None:
        """Releases the parent's connection in a forked child, which has no follower thread."""
        if self._connection is not None:
            self._connection.abandon()

    def status(self) -> FollowerStatus:
        return self._state.status()

    def _run(self) -> None:
        """Starts again after an unexpected error, because the data are not followed without it."""
        while not self._stopped.is_set():
            try:
                return self._follow()
            except Exception as error:
                logger.exception("the provider could not follow the server, and starts again")
                self._begin()
                self._state.set_error(to_sync_error(error), mode="disconnected")
                self._sleep(self._timing.longest_backoff_ms)
        return None

    def _follow(self) -> None:
        if self._options.stream and not is_before_fork():
            self._follow_stream()
        else:
            self._follow_polls()

    def _follow_stream(self) -> None:
        """Polls, then streams until the stream is lost, and repeats both with growing delays."""
        failures = 0
        while not self._stopped.is_set():
            while self._state.is_expired and not self._stopped.is_set():
                failures = 0
                self._poll_first()
            error, uptime_ms = self._run_stream()
            if self._state.is_expired:
                continue
            if uptime_ms >= self._timing.heartbeat_ms:
                failures = 0
            # After a gap the data may be wrong, so there is no delay. Otherwise the followers of
            # a server that goes down must not all poll at the same time.
            jitter_ms = 0 if error.is_gap else self._timing.backoff_delay(0)
            self._sleep(self._retry_after_ms() + jitter_ms)
            self._poll_until(
                max(self._timing.backoff_delay(failures), self._timing.rejected_key_delay(error))
            )
            failures += 1

    def _poll_first(self) -> None:
        """Polls without any delay, because a proxy may buffer the beginning of a stream.

        If that fails without a reason to wait, the stream follows and decides about the mode,
        unless the error will not go away by itself.
        """
        error = self._poll()
        delay_ms = max(self._timing.rejected_key_delay(error), self._retry_after_ms())
        if delay_ms > 0 or (error is not None and error.is_request_error):
            self._state.set_mode("disconnected")
        self._sleep(delay_ms)

    def _run_stream(self) -> tuple[SyncError, float]:
        """Returns why the stream was lost and how long it had delivered data."""
        self._begin()
        check_stale = StaleCheck(self._timing.stale_retry_delay())

        def on_update(update: FlagSetUpdate) -> None:
            self._state.set_data(update, "stream")
            check_stale(self._state.status())

        reader = StreamReader(
            current=lambda: self._state.data,
            on_update=on_update,
            idle_timeout_ms=self._timing.idle_timeout_ms,
        )
        try:
            connection, response = self._open_stream()
            try:
                reader.read(response)
            finally:
                self._disconnect(connection)
        except Exception as caught:  # noqa: BLE001 - any error ends the stream
            error = to_sync_error(caught)
        self._on_stream_lost(error)
        return error, reader.uptime_ms

    def _on_stream_lost(self, error: SyncError) -> None:
        self._set_error(error)
        if self._state.mode == "streaming":
            self._state.set_mode("connecting")
        elif self._state.mode == "connecting":
            # The first poll has failed, too.
            self._state.set_mode("disconnected")

    def _open_stream(self) -> tuple[Connection, Response]:
        connection = self._connect(self._timing.response_timeout_ms)
        last_id = self._state.data.id if self._state.data and self._state.data.id else None
        headers = {"last-event-id": last_id, "accept": "text/event-stream"}
        try:
            return connection, connection.send("GET", "flag-set/stream", headers)
        except Exception:
            self._disconnect(connection)
            raise

    def _poll_until(self, ms: float) -> None:
        """Polls at intervals for `ms`, or longer if the server sends Retry-After."""
        until = time.monotonic() * 1_000 + ms
        while not self._is_interrupted:
            error = self._poll_or_disconnect()
            hold = max(self._timing.rejected_key_delay(error), self._retry_after_ms())
            now = time.monotonic() * 1_000
            until = max(until, now + hold)
            if until <= now:
                return
            self._sleep(min(until - now, max(self._options.poll_interval_ms, hold)))
            if time.monotonic() * 1_000 >= until:
                return

    def _follow_polls(self) -> None:
        failures = 0
        interval = self._options.poll_interval_ms
        while not self._stopped.is_set():
            error = self._poll_or_disconnect()
            if error is None and is_before_fork():
                return
            failures = failures + 1 if error else 0
            minimum = max(self._retry_after_ms(), self._timing.rejected_key_delay(error))
            self._sleep(max(min(interval, self._retry_limit(failures)), minimum))

    def _retry_limit(self, failures: int) -> float:
        """The longest time between two polls, if that is shorter than the interval."""
        if failures > 0:
            return self._timing.backoff_delay(failures)
        return self._timing.stale_retry_delay() if self._state.mode == "stale" else math.inf

    def _poll(self) -> SyncError | None:
        """Requests the data once. Returns the error if that fails."""
        self._begin()
        self._sleep(self._retry_after_ms())
        if self._is_interrupted:
            return None
        try:
            self._state.set_data(self._request_data(), "poll")
        except Exception as caught:  # noqa: BLE001 - reported, and the follower continues
            error = to_sync_error(caught)
            # At once: callers of `refresh` act on the mode as soon as the poll has failed.
            is_rejected = error.is_auth_error or error.is_request_error
            self._set_error(error, mode="disconnected" if is_rejected else None)
            return error
        return None

    def _poll_or_disconnect(self) -> SyncError | None:
        error = self._poll()
        if error is not None:
            self._state.set_mode("disconnected")
        return error

    def _request_data(self) -> FlagSetUpdate:
        etag = f'"{self._state.data.id}"' if self._state.data and self._state.data.id else None
        connection = self._connect(self._poll_timeout_ms())
        try:
            response = connection.send("GET", "flag-set", {"if-none-match": etag})
            unchanged = self._state.data if response.status == 304 else None
            flag_set = unchanged or read_flag_set(parse_object(response.read()))
            return FlagSetUpdate(flag_set, source_age_ms=source_age_of(response.headers))
        finally:
            self._disconnect(connection)

    def _poll_timeout_ms(self) -> float:
        """Once the server is known to be away, a slow response is better than none."""
        if self._state.data is None or self._state.mode == "disconnected":
            return self._timing.response_timeout_ms
        return self._timing.check_timeout_ms

    def _connect(self, timeout_ms: float) -> Connection:
        connection = Connection(self._options.address, timeout_ms)
        self._connection = connection
        if self._is_interrupted:
            raise SyncError("interrupted")
        self._state.mark_sent()
        return connection

    def _disconnect(self, connection: Connection) -> None:
        self._connection = None
        connection.close()

    def _set_error(self, error: SyncError, mode: FollowerMode | None = None) -> None:
        self._retry_at = max(self._retry_at, time.monotonic() * 1_000 + error.retry_after_ms)
        self._state.set_error(error, mode)

    def _retry_after_ms(self) -> float:
        return max(0.0, self._retry_at - time.monotonic() * 1_000)

    def _begin(self) -> None:
        self._wake.clear()
        self._state.begin()

    @property
    def _is_interrupted(self) -> bool:
        return self._stopped.is_set() or self._state.is_expired

    def _sleep(self, ms: float) -> None:
        if ms > 0 and not self._is_interrupted:
            self._wake.wait(ms / 1_000)


class StaleCheck:
    """Raises SyncError if the server has been cut off from its store for long.

    The follower then connects again, perhaps to another server behind the same load balancer.
    """

    def __init__(self, limit_ms: float) -> None:
        self._limit_s = limit_ms / 1_000
        self._since: float | None = None

    def __call__(self, status: FollowerStatus) -> None:
        if status.mode != "stale":
            self._since = None
            return
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        error = stale_source_error(status.source_age_ms)
        if error is not None and now - self._since >= self._limit_s:
            raise error


_EVENT_BYTES = re.compile(rb"(?:^|[\r\n])[^:\r\n]")


class CommentTimer:
    """Measures for how long a stream has sent nothing but comments.

    A proxy that has lost the server may send them, so they do not show that the server is there.
    """

    def __init__(self) -> None:
        self._event_at = time.monotonic()
        # The first byte of the line that the next chunk continues.
        self._line_start = b""

    def ms_after(self, chunk: bytes) -> float:
        """Returns 0 if the chunk contains a part of an event."""
        text = self._line_start + chunk
        line_at = max(text.rfind(b"\r"), text.rfind(b"\n")) + 1
        self._line_start = text[line_at : line_at + 1]
        now = time.monotonic()
        if _EVENT_BYTES.search(text) is not None:
            self._event_at = now
        return (now - self._event_at) * 1_000


class StreamReader:
    """Reads one stream until it is lost."""

    def __init__(
        self,
        current: Callable[[], FlagSet | None],
        on_update: Callable[[FlagSetUpdate], None],
        idle_timeout_ms: float,
    ) -> None:
        self._current = current
        self._on_update = on_update
        self._idle_timeout_ms = idle_timeout_ms
        self._began_at: float | None = None

    @property
    def uptime_ms(self) -> float:
        """How long the stream has delivered data; 0 if it never did."""
        return 0 if self._began_at is None else (time.monotonic() - self._began_at) * 1_000

    def read(self, response: Response) -> None:
        """Never returns; raises SyncError when the stream is lost."""
        content_type = response.headers.get("content-type", "none")
        if not content_type.startswith("text/event-stream"):
            raise SyncError(f"expected an event stream, received content type {content_type}")
        # The chunks end with an error, so SSEClient never emits an event that was cut off.
        for event in SSEClient(self._chunks(response)).events():
            self._handle(event, response)

    def _chunks(self, response: Response) -> Iterator[bytes]:
        timer = CommentTimer()
        for chunk in response.chunks():
            left_ms = self._idle_timeout_ms - timer.ms_after(chunk)
            if left_ms <= 0:
                raise SyncError("the stream has sent nothing but comments for too long")
            if self._began_at is not None:
                response.set_idle_timeout(left_ms)
            yield chunk

    def _handle(self, event: Any, response: Response) -> None:
        if event.event == "error":
            error = error_from_event(parse_object(event.data).get("error"))
            logger.warning("%s", error)
            raise error
        reducer = EVENTS.get(event.event)
        if reducer is None:
            return
        if self._began_at is None and event.event not in INITIAL_EVENTS:
            raise gap_error(f'the stream started with the event "{event.event}"')
        update = reducer(self._current(), event.id, event.data)
        if self._began_at is None:
            self._began_at = time.monotonic()
            response.set_idle_timeout(self._idle_timeout_ms)
            update = replace(update, source_age_ms=source_age_of(response.headers))
        self._on_update(update)
