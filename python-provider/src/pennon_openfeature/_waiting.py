"""Threads that wait for the server, so that whoever asks waits no longer than it wants to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST_THREADS = 32


class Waiters:
    """Daemons, unlike those of an executor: none that still waits keeps the process alive."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0
        self._stopped = False

    def do(self, call: Callable[[], Result]) -> Future[Result]:
        """A RuntimeError where it was stopped, or the interpreter ends and starts no threads."""
        if self._stopped:
            raise RuntimeError("stopped")
        future: Future[Result] = Future()
        self._calls.put((future, call))
        if not self._idle.acquire(blocking=False):
            self._start_another()
        return future

    def stop(self) -> None:
        """The threads end when they have nothing left to wait for."""
        self._stopped = True
        self._calls.put(None)

    def _start_another(self) -> None:
        with self._lock:
            if self._started == MOST_THREADS:
                return
            self._started += 1
        threading.Thread(target=self._work, name="pennon-ask", daemon=True).start()

    def _work(self) -> None:
        while self._do_next():
            self._idle.release()
        # For the next one.
        self._calls.put(None)

    def _do_next(self) -> bool:
        task = self._calls.get()
        if task is None:
            return False
        future, call = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                future.set_exception(error)
        return True
