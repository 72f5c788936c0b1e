"""A thread pool that never keeps the process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

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
