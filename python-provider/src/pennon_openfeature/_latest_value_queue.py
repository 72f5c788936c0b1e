"""Processes values on a thread of its own, such as to write them to a slow disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LatestValueQueue(Generic[Value]):
    """Processes one value at a time. Of those offered while it is busy, only the latest is kept."""

    def __init__(self, process: Callable[[Value], None], thread_name: str) -> None:
        """`process` must not raise."""
        self._process = process
        self._thread_name = thread_name
        self._pending: Value | None = None
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()

    def offer(self, value: Value) -> None:
        with self._lock:
            self._pending = value
            if self._worker is None:
                # A daemon, so a value that takes long does not keep the process alive.
                worker = threading.Thread(
                    target=self._process_all, name=self._thread_name, daemon=True
                )
                # The exiting interpreter starts no threads.
                with suppress(RuntimeError):
                    worker.start()
                    self._worker = worker

    def wait_until_idle(self, seconds: float) -> None:
        """Returns when no value is being processed or pending, or after `seconds`."""
        worker = self._worker
        if worker is not None:
            worker.join(max(0.0, seconds))

    def after_fork(self) -> None:
        """The thread and the state of its lock belong to the parent process."""
        self._lock = threading.Lock()
        self._worker = None

    def _process_all(self) -> None:
        while (value := self._take_pending()) is not None:
            self._process(value)

    def _take_pending(self) -> Value | None:
        with self._lock:
            value, self._pending = self._pending, None
            if value is None:
                self._worker = None
            return value
