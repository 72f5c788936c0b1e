"""Requests that run on daemon threads, with a timeout for the threads and tasks that wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from ._errors import SyncError

Result = TypeVar("Result")

MAX_THREADS = 32


class DaemonThreadPool:
    """Runs calls on daemon threads.

    ThreadPoolExecutor would not do: the interpreter waits for its threads at exit, even if they
    are waiting for a slow server.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._thread_count = 0
        self._is_stopped = False

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Raises RuntimeError after `stop`, or if the exiting interpreter starts no threads."""
        if self._is_stopped:
            raise RuntimeError("stopped")
        future: Future[Result] = Future()
        self._calls.put((future, call))
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        return future

    def stop(self) -> None:
        """Accepts no further calls. Threads end when their current call does."""
        self._is_stopped = True
        self._calls.put(None)

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread_count == MAX_THREADS:
                return
            self._thread_count += 1
        threading.Thread(target=self._work, name="pennon-evaluate", daemon=True).start()

    def _work(self) -> None:
        while self._run_next():
            self._idle.release()
        # Passes the stop signal on to the next thread.
        self._calls.put(None)

    def _run_next(self) -> bool:
        task = self._calls.get()
        if task is None:
            return False
        future, call = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised by `Future.result`
                future.set_exception(error)
        return True


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
