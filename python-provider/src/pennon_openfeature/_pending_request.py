"""Requests that run on another thread, with a timeout for the threads and tasks that wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic

from ._errors import SyncError
from ._http import Connection
from ._thread_pool import Result


class RequestScope:
    """The connection of a request, which another thread may cancel at any time."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._connection: Connection | None = None

    def use(self, connection: Connection) -> Connection:
        self._connection = connection
        if self.is_cancelled:
            raise SyncError("stopped")
        return connection

    def cancel(self) -> None:
        self.is_cancelled = True
        if self._connection is not None:
            self._connection.cancel()

    def abandon(self) -> None:
        if self._connection is not None:
            self._connection.abandon()


class PendingRequest(Generic[Result]):
    """A request that may be awaited by several callers.

    The timeout bounds the whole request. A socket timeout would start again with each byte and
    with each address of the server's name.
    """

    def __init__(
        self, future: Future[Result], timeout_ms: float, on_timeout: Callable[[SyncError], None]
    ) -> None:
        self._future = future
        self._timeout_ms = timeout_ms
        self._deadline = time.monotonic() + timeout_ms / 1_000
        self._on_timeout = on_timeout
        self._lock = threading.Lock()
        self._has_timed_out = False

    def result(self) -> Result:
        """Waits for the result. Raises SyncError if the request fails or times out."""
        try:
            return self._future.result(self._seconds_left())
        except FutureTimeoutError:
            raise self._time_out() from None

    async def result_async(self) -> Result:
        """Like `result`, without blocking the event loop."""
        # A future of its own: cancelling it must not cancel the request of other callers.
        own: Future[Result] = Future()
        self._future.add_done_callback(lambda done: _copy_outcome(done, own))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(own), self._seconds_left())
        except asyncio.TimeoutError:
            raise self._time_out() from None

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        self._future.add_done_callback(lambda _done: callback())

    @property
    def has_timed_out(self) -> bool:
        return self._has_timed_out

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _time_out(self) -> SyncError:
        error = SyncError(f"the server did not respond within {self._timeout_ms:g} ms")
        with self._lock:
            is_first, self._has_timed_out = not self._has_timed_out, True
        if is_first:
            self._on_timeout(error)
        return error


def _copy_outcome(done: Future[Result], target: Future[Result]) -> None:
    if not target.set_running_or_notify_cancel():
        return
    error = done.exception()
    if error is None:
        target.set_result(done.result())
    else:
        target.set_exception(error)


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
